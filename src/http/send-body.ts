import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import { ReusedBufferBody } from '../providers/http/reused-buffer-body.ts'

/** The maximum number of consecutive retries of an interrupted body that return no byte. */
const maxEmptyTries = 3

/** A body of `length` bytes to send. `reopen` opens the rest after the first `sent` bytes, or rejects. */
export interface Sendable {
  body: Readable
  length: number
  reopen: (sent: number) => Promise<Readable>
  /** Called with the size of each chunk. */
  count?: ((bytes: number) => void) | undefined
}

/**
 * Sends exactly `length` bytes and ends the response. It holds no more than the response buffers, and pauses the source
 * meanwhile. If the source is interrupted, it is reopened; the result is the number of times. Rejects if the connection is
 * closed or the body cannot be completed. The response is then not ended, and the caller must abort it.
 */
export function sendBody(res: ServerResponse, { body, length, reopen, count }: Sendable): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let current = body
  let sent = 0
  let reopened = 0
  let emptyTries = 0

  const fail = (error: unknown) => {
    current.destroy()
    reject(error)
  }

  const reopenRest = async (cause: unknown) => {
    if (emptyTries++ >= maxEmptyTries) return fail(cause)
    try {
      const next = await reopen(sent)
      if (res.destroyed) return void next.destroy()
      reopened++
      read(next)
    } catch (error) {
      fail(error)
    }
  }

  const read = (source: Readable) => {
    current = source
    let isOver = false
    const onEnd = (cause?: unknown) => {
      if (isOver || sent === length) return
      isOver = true
      void reopenRest(cause ?? new SluiceError('BODY_CUT'))
    }
    const send = (chunk: Buffer, release?: () => void) => {
      if (isOver || sent === length) return
      const part = sent + chunk.length > length ? chunk.subarray(0, length - sent) : chunk
      sent += part.length
      count?.(part.length)
      emptyTries = 0
      if (sent === length) return finish(part, release)
      if (res.write(part, release) || release) return
      source.pause()
      res.once('drain', () => source.resume())
    }
    if (source instanceof ReusedBufferBody) source.readChunks(send)
    else source.on('data', (chunk: Buffer) => send(chunk))
    source.once('error', onEnd)
    source.once('close', onEnd)
    source.once('end', onEnd)
  }

  const finish = (part?: Buffer, release?: () => void) => {
    res.end(part, () => {
      release?.()
      resolve(reopened)
    })
  }

  res.once('close', () => {
    if (!res.writableFinished) fail(new Error('The connection was closed.'))
  })
  if (length === 0) {
    body.destroy()
    finish()
  } else read(body)
  return promise
}
