/** Lets each owner, such as a project, do a few things at a time; the others of its own wait for their turn. */
export interface Turns {
  /**
   * Does `work` for the item now if its owner has a free place, and then what waits of the same owner, until nothing does or
   * `signal` aborts. Otherwise resolves at once: the item waits, once however often it is asked for, in the order of asking.
   * Rejects with the first fault of `work`, after the others were done.
   */
  take(owner: number, item: number, work: (item: number) => Promise<void>, signal: AbortSignal): Promise<void>
}

// Beyond it an item is dropped: the caller's sweeper finds it again.
const maxWaiting = 10_000

/** At most `maxPerOwner` places for one owner. What waits is in memory alone: it must be found again if the process dies. */
export function createTurns(maxPerOwner: number): Turns {
  const owners = new Map<number, { active: number; waiting: Set<number> }>()
  return {
    async take(owner, item, work, signal) {
      const own = owners.get(owner) ?? { active: 0, waiting: new Set<number>() }
      owners.set(owner, own)
      if (own.active >= maxPerOwner) {
        if (own.waiting.size < maxWaiting) own.waiting.add(item)
        return
      }
      own.active++
      let fault: { error: unknown } | undefined
      for (let next: number | undefined = item; next !== undefined && !signal.aborted; ) {
        await work(next).catch((error) => {
          fault ??= { error }
        })
        ;[next] = own.waiting
        if (next !== undefined) own.waiting.delete(next)
      }
      own.active--
      if (own.active === 0) owners.delete(owner)
      if (fault) throw fault.error
    },
  }
}
