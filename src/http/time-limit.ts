import type { IncomingMessage, ServerResponse } from 'node:http'
import { socketQueue } from './socket-queue.ts'

/** The timer fires this often per time limit, so a stalled response ends after 1 to 1.25 times the limit. */
const ticksPerLimit = 4

/**
 * A slow receiver acknowledges in steps of a 16th of its buffer, which can be hundreds of kilobytes. After such a step, the
 * client may take as long for the next one as it needs to read that many bytes, at most this number of time limits.
 */
const maxLimitsPerStep = 4

/** Time limit of a response. */
export interface TimeLimit {
  /** 0 = no limit. */
  seconds: number
  /** Bytes that the client must read within that time, after the response has begun. */
  bytes: number
  /** Limit the whole response. For media elements, which request the rest themselves. */
  isTotal: boolean
}

/**
 * Calls `onTimeout` once, if within the limit the response has not begun, or the client has not read `bytes` since its last
 * progress, or (`isTotal`) the response has not ended. While the storage is the slow side, the client only has to read what is
 * available. One timer per response. Responses on one connection share its progress, so a queued response ends when the one
 * before it stalls. Returns a function that stops the timer.
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
  let ticks = 0
  let ticksAllowed = ticksPerLimit
  let isOver = false

  /** True if the client has read enough since the last time that this function returned true. */
  const hasProgress = async () => {
    const queued = await socketQueue(socket, Math.min(tickMs / 2, 1_000))
    const waiting = socket.writableLength + queued
    const read = socket.bytesWritten - waiting
    const step = read - mark
    if (step < bytes && (waiting > 0 || step === 0)) return false
    const limits = waiting > 0 ? Math.min(step / bytes, maxLimitsPerStep) : 1
    ticksAllowed = Math.ceil(limits * ticksPerLimit)
    mark = read
    return true
  }
  const tick = async () => {
    ticks++
    if (!isTotal && res.headersSent && (await hasProgress())) ticks = 0
    if (isOver) return
    if (ticks < ticksAllowed) timer.refresh()
    else onTimeout()
  }
  const timer = setTimeout(() => void tick(), tickMs)
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}
