import type { MissingPolicy } from './label-model.ts'

/** An object in a listing. */
export interface Listed {
  version: string
  write: number
  /** Number of its tasks. */
  rows: number
}

interface ModelTask {
  /** Its place in the object. */
  row: number
  /** Null until the database has given it one. */
  id: number | null
}

/** What a storage has imported from one key. */
export interface Entry {
  version: string
  write: number
  tasks: ModelTask[]
  exists: boolean
  /** False after one of its tasks was deleted. */
  isComplete: boolean
}

interface Settings {
  missingPolicy: MissingPolicy
  changedPolicy: 'IGNORE' | 'UPDATE'
  detectMoves: boolean
}

export const baseName = (key: string) => key.replace(/^.*\//, '')

/** Which tasks belong to which key after syncs and relocations, as docs/sync.md says. */
export class MoveModel {
  entries = new Map<string, Entry>()
  labeled = new Set<number>()
  private readonly settings: Settings

  constructor(settings: Settings) {
    this.settings = settings
  }

  /** A complete listing below `prefix`. Returns the number of known objects that were written again. */
  sync(listing: Map<string, Listed>, prefix: string): number {
    let written = 0
    const listed = new Map([...listing].filter(([key]) => key.startsWith(prefix)))
    const fresh: [string, string][] = []
    for (const [key, object] of listed) {
      const entry = this.entries.get(key)
      if (entry) written += this.seeAgain(entry, object)
      else fresh.push([key, object.version])
    }
    const moves = this.settings.detectMoves ? this.findMoves(fresh, listed, prefix) : []
    for (const [from, to] of moves) {
      this.entries.set(to, { ...this.entries.get(from)!, write: listed.get(to)!.write, exists: true })
      this.entries.delete(from)
    }
    for (const [key, version] of fresh) {
      if (moves.some(([, to]) => to === key)) continue
      const { write, rows } = listed.get(key)!
      const tasks = Array.from({ length: rows }, (_, row) => ({ row, id: null }))
      this.entries.set(key, { version, write, tasks, exists: true, isComplete: true })
    }
    if (this.settings.missingPolicy === 'KEEP') return written
    for (const [key, entry] of this.entries) if (key.startsWith(prefix) && !listed.has(key)) this.lose(key, entry)
    return written
  }

  private seeAgain(entry: Entry, { version, write, rows }: Listed): number {
    const isWritten = entry.write !== write
    entry.exists = true
    if (!entry.isComplete || this.settings.changedPolicy === 'UPDATE') Object.assign(entry, { version, write })
    if (entry.isComplete) return isWritten ? 1 : 0
    for (let row = 0; row < rows; row++) {
      if (!entry.tasks.some((task) => task.row === row)) entry.tasks.push({ row, id: null })
    }
    entry.isComplete = true
    return 0
  }

  private findMoves(fresh: [string, string][], listed: Map<string, Listed>, prefix: string): [string, string][] {
    const isGone = ([key, { exists, isComplete }]: [string, Entry]) =>
      isComplete && (!key.startsWith(prefix) || !exists || (!listed.has(key) && this.settings.missingPolicy !== 'KEEP'))
    const gone = [...this.entries].filter(isGone).map(([key, { version }]): [string, string] => [key, version])
    const isLike = ([key, version]: [string, string], [other, otherVersion]: [string, string]) =>
      baseName(key) === baseName(other) && version === otherVersion
    return fresh.flatMap((object): [string, string][] => {
      const likes = gone.filter((one) => isLike(one, object))
      const isSingle = likes.length === 1 && fresh.filter((one) => isLike(one, object)).length === 1
      return isSingle ? [[likes[0]![0], object[0]]] : []
    })
  }

  private lose(key: string, entry: Entry): void {
    if (this.settings.missingPolicy === 'DELETE_UNANNOTATED') {
      const left = entry.tasks.filter(({ id }) => id !== null && this.labeled.has(id))
      if (left.length < entry.tasks.length) entry.isComplete = false
      entry.tasks = left
      if (left.length === 0) this.entries.delete(key)
    }
    entry.exists = false
  }

  /** Which key becomes which one. */
  moved(from: string, to: string): Map<string, string> {
    const keys = [...this.entries.keys()].filter((key) => key.startsWith(from))
    const isThere = (key: string) => to.startsWith(from) && key.startsWith(to)
    return new Map(keys.filter((key) => !isThere(key)).map((key) => [key, to + key.slice(from.length)]))
  }

  /** A run of `relocateLinks`; returns the number of moved tasks, deleted tasks and issues. */
  relocate(from: string, to: string): { moved: number; deleted: number; failed: number } {
    const counts = { moved: 0, deleted: 0, failed: 0 }
    const plan = this.moved(from, to)
    while (plan.size > 0) {
      const ready = [...plan].filter(([, target]) => !plan.has(target))
      for (const [key, target] of ready) {
        plan.delete(key)
        const twin = this.entries.get(target)
        if (twin?.tasks.some(({ id }) => this.labeled.has(id!))) {
          counts.failed++
          continue
        }
        counts.deleted += twin?.tasks.length ?? 0
        const entry = this.entries.get(key)!
        this.entries.delete(key)
        this.entries.set(target, { ...entry, exists: true })
        counts.moved += entry.tasks.length
      }
    }
    return counts
  }
}
