import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import { LendingBody } from '../providers/http/lending-body.ts'

/** How often a body that broke off may be gone on with, without a byte having come in between. */
const fruitlessTries = 3

/** A body of `length` bytes to send. `reopen` opens what comes behind the first `sent` bytes, or rejects. */
export interface Sendable {
  body: Readable
  length: number
  reopen: (sent: number) => Promise<Readable>
  signal: AbortSignal
  /** Is told of the bytes of each chunk. */
  count?: ((bytes: number) => void) | undefined
}

/**
 * Sends exactly `length` bytes and ends the response; at most what the response buffers is held, and the source waits. A
 * source that breaks off is opened again. Number of times it was; rejects when the body cannot be finished, or `signal`
 * aborts: then the response has not been ended, and the caller must cut it.
 */
export function sendBody(res: ServerResponse, { body, length, reopen, signal, count }: Sendable): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let current = body
  let sent = 0
  let reopened = 0
  let fruitless = 0

  const fail = (error: unknown) => {
    signal.removeEventListener('abort', abort)
    current.destroy()
    reject(error)
  }
  const abort = () => fail(signal.reason)

  const goOn = async (cause: unknown) => {
    if (signal.aborted) return
    if (fruitless++ >= fruitlessTries) return fail(cause)
    try {
      const next = await reopen(sent)
      if (signal.aborted) return void next.destroy()
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
    const send = (chunk: Buffer, taken?: () => void) => {
      if (isOver || signal.aborted) return
      const part = sent + chunk.length > length ? chunk.subarray(0, length - sent) : chunk
      sent += part.length
      count?.(part.length)
      fruitless = 0
      const mayGoOn = res.write(part, taken)
      if (sent === length) finish()
      else if (!mayGoOn && !taken) source.pause()
    }
    if (source instanceof LendingBody) source.lend(send)
    else source.on('data', (chunk: Buffer) => send(chunk))
    source.once('error', over)
    source.once('close', () => over())
    source.once('end', () => over())
  }

  const finish = () => {
    signal.removeEventListener('abort', abort)
    res.end(() => resolve(reopened))
  }

  res.on('drain', () => current instanceof LendingBody || current.resume())
  res.once('close', () => {
    if (!res.writableFinished) fail(new Error('The connection was closed.'))
  })
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  else if (length === 0) {
    body.destroy()
    finish()
  } else take(body)
  return promise
}
