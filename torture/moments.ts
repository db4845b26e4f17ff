/** What a fault may wait for: time in milliseconds, or the n-th time that something happens, as seen from outside. */
export const momentKinds = {
  time: 'at a random time',
  list: 'while the bucket lists a page',
  get: 'while a worker reads an object',
  write: 'while a worker sends a page to the database',
  answer: 'before the database answers a write',
  commit: 'after the database committed a page',
} as const

export type MomentKind = keyof typeof momentKinds

export interface Moment {
  kind: MomentKind
  /** Milliseconds of `time`, else the how-manieth. */
  n: number
}

/** Calls what waits for a moment, in the very turn of the event loop in which it comes. */
export class Moments {
  #waiting = new Set<{ kind: MomentKind; left: number; act: () => void }>()

  happens(kind: MomentKind): void {
    for (const one of this.#waiting) {
      if (one.kind !== kind || --one.left > 0) continue
      this.#waiting.delete(one)
      one.act()
    }
  }

  /** Calls `act` when the moment has come, counted from now. Returns what calls it off. */
  at({ kind, n }: Moment, act: () => void): () => void {
    if (kind === 'time') {
      const timer = setTimeout(act, n)
      return () => clearTimeout(timer)
    }
    const one = { kind, left: n, act }
    this.#waiting.add(one)
    return () => this.#waiting.delete(one)
  }
}
