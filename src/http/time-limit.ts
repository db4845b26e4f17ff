import type { IncomingMessage, ServerResponse } from 'node:http'
import { socketQueue } from './socket-queue.ts'

/** The timer fires so often in the time limit: a response whose storage stalls ends after 1 to 1.25 times the limit. */
const ticksPerLimit = 4

/**
 * A receiver that reads slowly announces what it has read in steps of a 16th of its buffer, which can be hundreds of kilobytes. A step
 * counts for the time in which it may have been read, up to this number of limits.
 */
const maxLimitsPerStep = 4

/** What limits the time of a response. */
export interface TimeLimit {
  /** 0 = no limit. */
  seconds: number
  /** Number of bytes that the client must read in that time, once the response has begun. */
  bytes: number
  /** The limit applies to the whole response: its client requests the rest by itself. */
  isTotal: boolean
}

/**
 * Calls `onTimeout`, once, when a response has not begun within the limit, or its client has then not read `bytes` within the limit, or
 * (`isTotal`) the response has not ended. A client that waits for the storage needs to read what there is. One timer per response.
 * Responses on one connection share its progress: one that waits behind another ends when that one stalls. Returns what stops it.
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

  /** Whether the client has read enough since the last time that it had. */
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
