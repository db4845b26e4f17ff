import type { Readable } from 'node:stream'

/**
 * Destroys `body` with the signal's reason when the signal aborts, so that its reader gets the reason. Also keeps an error
 * before the first read from ending the process.
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
