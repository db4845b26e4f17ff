import type { FaultScope } from './faults.ts'

/** A command as it arrived; its name in lower case. */
export interface RedisCommand {
  name: string
  args: Buffer[]
}

/** What is done to commands. `error` is a reply such as `LOADING …`. */
export type RedisFault = FaultScope<RedisCommand> &
  ({ error: string } | { raw: string } | { drop: true } | { hold: true })
