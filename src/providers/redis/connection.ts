import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { type ErrorCode, SluiceError } from '../../errors.ts'
import { orAbort } from '../../or-abort.ts'
import type { Egress } from '../../security/egress.ts'
import type { Pace } from '../pace.ts'
import { dial, type Session } from './dial.ts'
import { redisError } from './error.ts'
import type { RedisLocation, RedisSecrets } from './location.ts'

/** What may pass by itself. */
const passing: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['THROTTLED', 'UNREACHABLE', 'CONNECTION_REFUSED'])
const maxTries = 4
const firstPauseMs = 100

/** The one connection of a provider, which all its calls share. */
export interface Connection {
  /**
   * Runs commands, which are sent together and count as one request, and which must do no harm when they are run again: after a fault that may pass they are, a few times, with
   * jittered backoff. Connects when there is no connection; all who wait for it share one attempt, and its outcome. When
   * `signal` aborts, rejects with its reason at once; the connection is closed, unless others are using it: Redis cannot
   * be told to forget a command, so then its answer is thrown away. Other faults are SluiceErrors.
   */
  run<T>(
    signal: AbortSignal | undefined,
    work: (redis: Redis, serverRun: string) => Promise<T>,
    /** Bytes of an object that the commands carry. */
    bytes?: number,
  ): Promise<T>
  close(): void
}

/** Makes a connection that is opened by the first `run`, and again after it was lost. */
export function createConnection(
  place: RedisLocation,
  secrets: RedisSecrets,
  { egress, pace }: { egress: Egress; pace: Pace },
): Connection {
  let line: { session: Promise<Session>; hangUp: () => void } | undefined
  let users = 0
  const closing = new AbortController()

  const hangUp = () => {
    line?.hangUp()
    line = undefined
  }

  /** The open session, or the one that is being opened. */
  const connect = (): Promise<Session> => {
    closing.signal.throwIfAborted()
    if (line) return line.session
    const stop = new AbortController()
    const session = open(stop.signal)
    const fresh = { session, hangUp: () => stop.abort(closedError()) }
    const forget = () => {
      if (line === fresh) line = undefined
    }
    session.then(({ ended }) => ended.then(forget), forget)
    line = fresh
    return session
  }

  const open = async (signal: AbortSignal): Promise<Session> => {
    for (let tries = 1; ; tries++) {
      try {
        return await dial(place, secrets, { egress, signal, isAwaited: () => users > 0 })
      } catch (error) {
        await pass(error, tries, signal)
      }
    }
  }

  const runAgain = async <T>(
    signal: AbortSignal | undefined,
    bytes: number,
    work: (session: Session) => Promise<T>,
  ): Promise<T> => {
    for (let tries = 1; ; tries++) {
      // Not tried again here: that has been done.
      const session = await connect()
      gather(session.redis.stream)
      try {
        return await work(session)
      } catch (error) {
        await pass(session.explain(error), tries, signal)
        await pace.request(signal, bytes)
      }
    }
  }

  /** Waits until another try makes sense. @throws SluiceError when none does. */
  const pass = async (error: unknown, tries: number, signal: AbortSignal | undefined): Promise<void> => {
    const fault = redisError(error, place)
    if (!passing.has(fault.code) || tries === maxTries) throw fault
    const either = AbortSignal.any([closing.signal, ...(signal ? [signal] : [])])
    await sleep(Math.random() * firstPauseMs * 2 ** tries, undefined, { signal: either }).catch(() => {
      throw either.reason
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
        if (users === 1) hangUp()
        throw signal.reason
      } finally {
        users--
      }
    },

    close() {
      closing.abort(closedError())
      hangUp()
    },
  }
}

/** Lets what is written before the next turn of the event loop leave together: a system call each would cost more than all else. */
function gather(socket: Duplex): void {
  if (socket.writableCorked > 0) return
  socket.cork()
  setImmediate(() => socket.uncork())
}

const closedError = () => new SluiceError('UNREACHABLE', 'The connection was closed.')
