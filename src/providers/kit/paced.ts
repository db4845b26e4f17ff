import { pipeline, Transform } from 'node:stream'
import type { Pace } from '../pace.ts'
import type { ObjectBody, Provider } from '../provider.ts'

/** Applies the limits to a provider that sends no requests, such as a folder. Each call counts as one request. */
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

/** A body that is read no faster than the byte limit of its storage permits. */
export class PacedBody extends Transform {
  readonly #pace: Pace
  readonly #left = new AbortController()
  #waits = 0

  constructor(source: ObjectBody['body'], pace: Pace) {
    super()
    this.#pace = pace
    // Without a listener, an error before the first read would end the process.
    this.on('error', () => {})
    pipeline(source, this, () => {})
  }

  /** Whether the body waits for the limit now. Then the delay is not the storage's. */
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

/** Applies the byte limit of the storage to the body of an opened object. */
export function paceBody(opened: ObjectBody, pace: Pace): ObjectBody {
  return pace.limitsBytes ? { ...opened, body: new PacedBody(opened.body, pace) } : opened
}
