import type { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'

/** Limit for the body of an error response, in bytes. The rest is not read. */
const maxErrorBytes = 64 * 1024
/** Limit for a response with a token or with a few properties of an object, in bytes. */
export const maxSmallBytes = 64 * 1024
const errorTimeoutMs = 10_000
const answerTimeoutMs = 60_000

/** Limit for a listing page, in bytes. Holds 1,000 percent-encoded keys of 1,024 bytes, with their properties. */
export const maxPageBytes = 4 * 1024 * 1024

/**
 * Reads a whole response. Closes the connection after more than `maxBytes`, or after `timeoutMs`.
 * @throws SluiceError REMOTE_RESPONSE_TOO_LARGE or TIMEOUT; the error of the stream.
 */
export async function readLimited(
  body: Readable,
  { maxBytes, timeoutMs = answerTimeoutMs }: { maxBytes: number; timeoutMs?: number },
): Promise<Buffer> {
  const { bytes, end } = await collect(body, maxBytes, timeoutMs)
  if (end === 'TOO_LARGE') throw new SluiceError('REMOTE_RESPONSE_TOO_LARGE')
  if (end === 'LATE') throw new SluiceError('TIMEOUT')
  if (end !== 'WHOLE') throw end
  return bytes
}

/**
 * Reads the start of an error response: at most 64 KiB, within 10 s. If there is more, closes the connection. Never rejects,
 * because the status already shows that the request failed.
 */
export async function readErrorBody(body: Readable): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const { bytes, end } = await collect(body, maxErrorBytes, errorTimeoutMs)
  return { bytes, isWhole: end === 'WHOLE' }
}

type End = 'WHOLE' | 'TOO_LARGE' | 'LATE' | Error

function collect(body: Readable, maxBytes: number, timeoutMs: number): Promise<{ bytes: Buffer; end: End }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let count = 0
    let isDone = false
    const done = (end: End) => {
      if (isDone) return
      isDone = true
      clearTimeout(timer)
      body.on('error', () => {})
      if (end !== 'WHOLE') body.destroy()
      resolve({ bytes: Buffer.concat(parts), end })
    }
    const timer = setTimeout(() => done('LATE'), timeoutMs)
    body
      .on('data', (part: Buffer) => {
        if (isDone) return
        const room = maxBytes - count
        parts.push(part.length > room ? part.subarray(0, room) : part)
        count += part.length
        if (count > maxBytes) done('TOO_LARGE')
      })
      .once('end', () => done('WHOLE'))
      .once('error', (error) => done(error))
      .once('close', () => done(body.errored ?? new SluiceError('BODY_CUT')))
    if (body.destroyed) done(body.errored ?? new SluiceError('BODY_CUT'))
  })
}
