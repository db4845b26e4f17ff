import type { Readable } from 'node:stream'

/**
 * Destroys `body` with the signal's reason when the signal aborts, so that whoever reads it is told why. A body that breaks off
 * before anybody has begun to read it does not end the process.
 */
export function endOnAbort(body: Readable, signal: AbortSignal | undefined): Readable {
  body.on('error', ignore)
  if (!signal) return body
  const end = () => body.destroy(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  body.once('close', () => signal.removeEventListener('abort', end))
  if (signal.aborted) end()
  return body
}

const ignore = () => {}
