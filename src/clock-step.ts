/** Two clocks of this machine, in milliseconds. */
export interface Clocks {
  /** The wall clock, since 1970. It can be set. */
  now: () => number
  /** The monotonic clock, since an arbitrary moment. It cannot be set. */
  elapsed: () => number
}

// `Date.now` is looked up at each call, so that tests can replace it.
export const machineClocks: Clocks = { now: () => Date.now(), elapsed: () => performance.now() }

/** Difference that drift and gradual corrections of the clocks can cause. A larger one means that the clock was set. */
const driftMs = 60_000

/**
 * Returns a function that is true if the wall clock was set after this call: forward, backward, or because the machine was
 * suspended. Values that were computed from the time before, such as signatures or session ends, are then wrong.
 */
export function watchClock({ now, elapsed }: Clocks = machineClocks): () => boolean {
  const difference = now() - elapsed()
  return () => Math.abs(now() - elapsed() - difference) > driftMs
}
