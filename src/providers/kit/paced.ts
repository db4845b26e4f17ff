import { pipeline, Transform } from 'node:stream'
import type { Pace } from '../pace.ts'
import type { ObjectBody, Provider } from '../provider.ts'

/** A provider without requests, such as a folder, of which each call counts as one request. */
export function paceCalls(provider: Provider, pace: Pace): Provider {
  return {
    ...provider,
    async check(signal) {
      await pace.request(signal)
      return provider.check(signal)
    },
    async list(options) {
      await pace.request(options.signal)
      return provider.list(options)
    },
    async read(key, options) {
      await pace.request(options?.signal)
      return provider.read(key, options)
    },
    async head(key, signal) {
      await pace.request(signal)
      return provider.head(key, signal)
    },
    async write(key, body, options) {
      await pace.request(options?.signal, body.length)
      return provider.write(key, body, options)
    },
    async remove(key, signal) {
      await pace.request(signal)
      return provider.remove(key, signal)
    },
  }
}

/** A body whose bytes arrive no faster than the limit of its storage allows. */
export class PacedBody extends Transform {
  readonly #pace: Pace
  readonly #left = new AbortController()
  #waits = 0

  constructor(source: ObjectBody['body'], pace: Pace) {
    super()
    this.#pace = pace
    // One that breaks off before anybody reads it does not end the process.
    this.on('error', () => {})
    pipeline(source, this, () => {})
  }

  /** Whether it waits for the limit now: then the storage is not slow. */
  get isWaiting(): boolean {
    return this.#waits > 0
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error?: Error | null, chunk?: Buffer) => void): void {
    const wait = this.#pace.receive(chunk.length, this.#left.signal)
    if (!wait) {
      done(null, chunk)
      return
    }
    this.#waits++
    wait.then(
      () => {
        this.#waits--
        done(null, chunk)
      },
      (error) => done(error),
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#left.abort(error ?? new Error('The body was closed.'))
    done(error)
  }
}

/** The opened object, with its body at the pace of the storage. */
export function paceBody(opened: ObjectBody, pace: Pace): ObjectBody {
  return pace.limitsBytes ? { ...opened, body: new PacedBody(opened.body, pace) } : opened
}
