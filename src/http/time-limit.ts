import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendProgress } from './socket-queue.ts'

/** The timer fires this often per time limit. */
const ticksPerLimit = 4

/**
 * A slow receiver acknowledges in steps of up to a 16th of its buffer, which can be hundreds of kilobytes, and the steps of one
 * connection differ in size. So a client that reads faster than it must saves time for the next steps: at most this number of
 * time limits.
 */
const maxLimitsSaved = 4

/** Time limit of a response. */
export interface TimeLimit {
  /** 0 = no limit. */
  seconds: number
  /** Bytes that the client must read in that time, after the response has begun. */
  bytes: number
  /** Limit the whole response. For media elements, which request the rest themselves. */
  isTotal: boolean
}

/**
 * Calls `onTimeout` once, if within the limit the response has not begun, or (`isTotal`) has not ended. After it has begun, each
 * `bytes` that the client reads give it another limit, and `onTimeout` is called when its time is used up: for a client that
 * stops, after 1 to 4 limits. While the storage is the slow side, the client only has to read what is available. One timer per
 * response. Responses on one connection share its progress, so a queued response ends when the one before it stalls. Returns a
 * function that stops the timer.
 */
export function limitTime(
  { req, res }: { req: IncomingMessage; res: ServerResponse },
  { seconds, bytes, isTotal }: TimeLimit,
  onTimeout: () => void,
): () => void {
  if (seconds === 0) return () => {}
  const { socket } = req
  const tickMs = (seconds * 1_000) / ticksPerLimit
  let mark = socket.bytesWritten - socket.writableLength
  let ticksLeft = ticksPerLimit
  let isOver = false

  /** Adds the time that the client has earned by reading. */
  const addTime = async () => {
    const { read, waiting } = await sendProgress(socket, Math.min(tickMs / 2, 1_000))
    const step = Math.max(0, read - mark)
    mark += step
    const earned = ticksLeft + (step / bytes) * ticksPerLimit
    const hasReadAll = waiting === 0 && step > 0
    ticksLeft = Math.min(hasReadAll ? Math.max(earned, ticksPerLimit) : earned, maxLimitsSaved * ticksPerLimit)
  }
  const tick = async () => {
    ticksLeft--
    if (!isTotal && res.headersSent) await addTime()
    if (isOver) return
    if (ticksLeft > 0) timer.refresh()
    else onTimeout()
  }
  const timer = setTimeout(() => void tick(), tickMs)
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}
