/** Limits concurrent items per owner, such as a project. Further items of the owner wait. */
interface Turns {
  /**
   * Processes the item now if its owner is below the limit, and then the waiting items of the same owner, until none is left
   * or `signal` aborts. Otherwise it queues the item (once, in order of arrival) and resolves at once. If `work` rejects, the
   * other items are still processed; then `take` rejects with the first error.
   */
  take(owner: number, item: number, work: (item: number) => Promise<void>, signal: AbortSignal): Promise<void>
}

// Further items are dropped. The sweep of the caller must find them again.
const maxWaiting = 10_000

/** Processes at most `maxPerOwner` items per owner at the same time. Waiting items are in memory only. */
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
