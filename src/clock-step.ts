/** Two clocks of this machine, in milliseconds. */
export interface Clocks {
  /** The time of day, which somebody may set: since 1970. */
  now: () => number
  /** Never set: since any moment. */
  elapsed: () => number
}

// Looked up at each call, so that tests can replace the time of day.
export const machineClocks: Clocks = { now: () => Date.now(), elapsed: () => performance.now() }

/** So much may two clocks drift apart, or be corrected little by little, without a step. */
const driftMs = 60_000

/**
 * Tells whether the clock of this machine was set since the call: forward, backward, or because the machine was suspended. What
 * was computed from the time of day before, such as a signature or the end of a session, is wrong then.
 */
export function watchClock({ now, elapsed }: Clocks = machineClocks): () => boolean {
  const difference = now() - elapsed()
  return () => Math.abs(now() - elapsed() - difference) > driftMs
}
