import type { Socket } from 'node:net'

/** A command as it arrived; its name in lower case. */
export interface RedisCommand {
  name: string
  args: Buffer[]
}

/** What is done to commands that `match`, for the first `times` of them (default 1). `error` is a reply such as `LOADING …`. */
export type RedisFault = { match?: (command: RedisCommand) => boolean; times?: number } & (
  | { error: string }
  | { raw: string }
  | { drop: true }
  | { hold: true }
)

/** A fault that was set. */
export interface SetRedisFault {
  /** How many commands it has met. */
  readonly hits: number
  /** Resolves when the first command has met it. */
  readonly met: Promise<void>
  /** Resolves when the client has closed a connection whose command met it. */
  readonly closed: Promise<void>
  /** Ends the fault; held commands go on. */
  release(): void
}

/** A fault with what is counted of it. */
export type ArmedRedisFault = ReturnType<typeof arm>

export function arm(fault: RedisFault) {
  const state = { left: fault.times ?? 1, hits: 0 }
  const met = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  return {
    fault,
    state,
    released: released.promise,
    meet(socket: Socket) {
      state.left--
      state.hits++
      socket.once('close', () => closed.resolve())
      met.resolve()
    },
    handle: {
      get hits() {
        return state.hits
      },
      met: met.promise,
      closed: closed.promise,
      release() {
        state.left = 0
        released.resolve()
      },
    } satisfies SetRedisFault,
  }
}
