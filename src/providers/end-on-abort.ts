import type { Readable } from 'node:stream'

/** Destroys `body` with the signal's reason when the signal aborts, so that whoever reads it is told why. */
export function endOnAbort(body: Readable, signal: AbortSignal | undefined): Readable {
  if (!signal) return body
  const end = () => body.destroy(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  body.once('close', () => signal.removeEventListener('abort', end))
  // A body that nobody has begun to read yet must not end the process.
  body.on('error', () => {})
  if (signal.aborted) end()
  return body
}
