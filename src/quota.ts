/** Limits concurrent uses: in total, and for each name of a kind, such as each project. */
export interface Quota<Kind extends string> {
  /**
   * Counts one use for each of the names. The returned function ends the use; further calls do nothing.
   * @throws the error of `refuse` if one of the limits is reached. Nothing is counted in this case.
   */
  take(names: Partial<Record<Kind, string | number>>): () => void
  /** Current number of uses. */
  readonly count: number
}

/** Allows `max` uses in total, and `perName[kind]` uses per name of a kind. `refuse` receives the limit that was reached. */
export function createQuota<Kind extends string>(options: {
  max: number
  perName: Record<Kind, number>
  refuse: (limit: Kind | 'process') => Error
}): Quota<Kind> {
  const { max, perName, refuse } = options
  const kinds = keysOf(perName)
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

import { keysOf } from './records.ts'
