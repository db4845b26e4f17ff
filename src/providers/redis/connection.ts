import type { Duplex } from 'node:stream'
import type { Redis } from 'ioredis'
import { type ErrorCode, SluiceError } from '../../errors.ts'
import { orAbort } from '../../or-abort.ts'
import type { Egress } from '../../security/egress.ts'
import { withRetry } from '../kit/retry.ts'
import type { Pace } from '../pace.ts'
import { dial, type Session } from './dial.ts'
import { redisError } from './error.ts'
import type { RedisLocation, RedisSecrets } from './location.ts'

const transient = new Set<ErrorCode>(['THROTTLED', 'UNREACHABLE', 'CONNECTION_REFUSED'])
const pauseAfter = (error: unknown) =>
  error instanceof SluiceError && transient.has(error.code) ? { baseMs: 100 } : undefined

/** The connection of a provider. All its calls share it. */
export interface Connection {
  /**
   * Runs commands. They are sent together and count as one request. They must be idempotent, because transient errors are
   * retried a few times with jittered backoff. Connects if there is no connection; concurrent calls share one attempt and its
   * result.
   * When `signal` aborts, rejects with its reason at once. Redis cannot cancel a command, so the connection is closed; if other
   * calls use it, the reply is discarded instead. Other errors are SluiceErrors.
   */
  run<T>(
    signal: AbortSignal | undefined,
    work: (redis: Redis, serverRun: string) => Promise<T>,
    /** Number of object bytes in the commands. */
    bytes?: number,
  ): Promise<T>
  close(): void
}

/** Makes a connection. The first `run` opens it, and the next one after it was lost opens it again. */
export function createConnection(
  place: RedisLocation,
  secrets: RedisSecrets,
  { egress, pace }: { egress: Egress; pace: Pace },
): Connection {
  let line: { session: Promise<Session>; hangUp: () => void } | undefined
  let users = 0
  const closing = new AbortController()

  const disconnect = () => {
    line?.hangUp()
    line = undefined
  }

  /** The open session, or the attempt to open it. */
  const connect = (): Promise<Session> => {
    closing.signal.throwIfAborted()
    if (line) return line.session
    const stop = new AbortController()
    const session = open(stop.signal)
    const fresh = { session, hangUp: () => stop.abort(closedError()) }
    const clearSession = () => {
      if (line === fresh) line = undefined
    }
    session.then(({ ended }) => ended.then(clearSession), clearSession)
    line = fresh
    return session
  }

  const open = (signal: AbortSignal): Promise<Session> =>
    withRetry({ signal, pauseAfter }, async () => {
      try {
        return await dial(place, secrets, { egress, signal, isAwaited: () => users > 0 })
      } catch (error) {
        throw redisError(error, place)
      }
    })

  const runAgain = <T>(
    signal: AbortSignal | undefined,
    bytes: number,
    work: (session: Session) => Promise<T>,
  ): Promise<T> => {
    // `open` has its own retries.
    let session: Session | undefined
    const pause = (error: unknown) => session && pauseAfter(error)
    let isRepeat = false
    return withRetry({ signal: signal ?? closing.signal, pauseAfter: pause }, async () => {
      session = undefined
      if (isRepeat) await pace.request(signal, bytes)
      isRepeat = true
      session = await connect()
      gather(session.redis.stream)
      try {
        return await work(session)
      } catch (error) {
        throw redisError(session.explain(error), place)
      }
    })
  }

  return {
    async run(signal, work, bytes = 0) {
      signal?.throwIfAborted()
      const turn = pace.request(signal, bytes)
      if (turn) await turn
      users++
      try {
        return await orAbort(
          runAgain(signal, bytes, ({ redis, serverRun }) => work(redis, serverRun)),
          signal,
        )
      } catch (error) {
        if (!signal?.aborted) throw error
        if (users === 1) disconnect()
        throw signal.reason
      } finally {
        users--
      }
    },

    close() {
      closing.abort(closedError())
      disconnect()
    },
  }
}

/** Batches all writes of this turn of the event loop, because a system call for each would cost more than everything else. */
function gather(socket: Duplex): void {
  if (socket.writableCorked > 0) return
  socket.cork()
  setImmediate(() => socket.uncork())
}

const closedError = () => new SluiceError('UNREACHABLE', 'The connection was closed.')
