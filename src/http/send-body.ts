import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import { LendingBody } from '../providers/http/lending-body.ts'

/** The maximum number of consecutive retries of an interrupted body that return no byte. */
const fruitlessTries = 3

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
  let fruitless = 0

  const fail = (error: unknown) => {
    current.destroy()
    reject(error)
  }

  const goOn = async (cause: unknown) => {
    if (fruitless++ >= fruitlessTries) return fail(cause)
    try {
      const next = await reopen(sent)
      if (res.destroyed) return void next.destroy()
      reopened++
      take(next)
    } catch (error) {
      fail(error)
    }
  }

  const take = (source: Readable) => {
    current = source
    let isOver = false
    const over = (cause?: unknown) => {
      if (isOver || sent === length) return
      isOver = true
      void goOn(cause ?? new SluiceError('BODY_CUT'))
    }
    const send = (chunk: Buffer, giveBack?: () => void) => {
      if (isOver || sent === length) return
      const part = sent + chunk.length > length ? chunk.subarray(0, length - sent) : chunk
      sent += part.length
      count?.(part.length)
      fruitless = 0
      if (sent === length) return finish(part, giveBack)
      if (res.write(part, giveBack) || giveBack) return
      source.pause()
      res.once('drain', () => source.resume())
    }
    if (source instanceof LendingBody) source.lend(send)
    else source.on('data', (chunk: Buffer) => send(chunk))
    source.once('error', over)
    source.once('close', over)
    source.once('end', over)
  }

  const finish = (part?: Buffer, giveBack?: () => void) => {
    res.end(part, () => {
      giveBack?.()
      resolve(reopened)
    })
  }

  res.once('close', () => {
    if (!res.writableFinished) fail(new Error('The connection was closed.'))
  })
  if (length === 0) {
    body.destroy()
    finish()
  } else take(body)
  return promise
}
