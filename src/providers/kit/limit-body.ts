import type { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'

/** Most bytes of an error response that are read. */
export const maxErrorBytes = 64 * 1024
/** Most bytes of a response with a token or with a few properties of an object. */
export const maxSmallBytes = 64 * 1024
const errorTimeoutMs = 10_000
const answerTimeoutMs = 60_000

/** Most bytes of a listing page: for 1,000 keys of 1,024 bytes that are percent-encoded, with their properties. */
export const maxPageBytes = 4 * 1024 * 1024

/**
 * Reads a whole response. Beyond `maxBytes`, or later than `timeoutMs`, it stops and closes the connection.
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
 * The beginning of an error response: 64 KiB at most, and what arrives within 10 s. Whatever is left is dropped and the
 * connection closed. Never rejects, since the status has said already that the request failed.
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
