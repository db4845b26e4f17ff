/** Counts what is in use at the same time: in all, and for each name of each kind, such as for each project. */
export interface Quota<Kind extends string> {
  /**
   * Takes one place under each of the names; what it returns gives them back, and may be called more than once.
   * @throws what `refuse` makes, when there is no place left under one of them; then nothing is taken.
   */
  take(names: Partial<Record<Kind, string | number>>): () => void
  /** How many places are taken. */
  readonly count: number
}

/** At most `max` places in all, and `perName[kind]` for one name of a kind. `refuse` is told which limit was met. */
export function createQuota<Kind extends string>(options: {
  max: number
  perName: Record<Kind, number>
  refuse: (limit: Kind | 'process') => Error
}): Quota<Kind> {
  const { max, perName, refuse } = options
  const kinds = Object.keys(perName) as Kind[]
  const taken = new Map(kinds.map((kind) => [kind, new Map<string | number, number>()]))
  let count = 0

  return {
    take(names) {
      if (count >= max) throw refuse('process')
      for (const kind of kinds) {
        const name = names[kind]
        if (name !== undefined && (taken.get(kind)!.get(name) ?? 0) >= perName[kind]) throw refuse(kind)
      }
      count++
      for (const kind of kinds) add(kind, names[kind], 1)
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        count--
        for (const kind of kinds) add(kind, names[kind], -1)
      }
    },
    get count() {
      return count
    },
  }

  function add(kind: Kind, name: string | number | undefined, change: number): void {
    if (name === undefined) return
    const ofKind = taken.get(kind)!
    const now = (ofKind.get(name) ?? 0) + change
    if (now > 0) ofKind.set(name, now)
    else ofKind.delete(name)
  }
}
