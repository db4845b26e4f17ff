import { randomUUID, type UUID } from 'node:crypto'
import type { ObjectInfo } from '../providers/provider.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'
import { emptyPageWrite, type NewIssue, type PageWrite } from './page-write.ts'
import type { Written } from './sink.ts'

const maxTasks = 1_000
const maxBytes = 4 * 2 ** 20

/** NEW: no row of the object has a link. UNFINISHED: some rows of this version may have links. CHANGED: links have another version. */
export type ReadState = 'NEW' | 'UNFINISHED' | 'CHANGED'

/**
 * Collects the tasks of a page and writes them in parts, so that a page of large files does not fill the memory. While one part is
 * written, the next one is collected.
 */
export class Batch {
  readonly #write: (part: PageWrite) => Promise<Written>
  readonly #stateOf: (object: ObjectInfo) => ReadState
  #part = emptyPageWrite()
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()
  /** Keys of multi-row objects of which more rows follow. */
  readonly #open = new Set<string>()
  /** Identifiers of the readings of objects whose rows are staged. */
  readonly #reads = new Map<ObjectInfo, UUID>()
  // The counts of the page are written with its checkpoint, so that a page that is repeated after a crash counts once.
  #bytesRead = 0
  #existed = 0

  /** `write` must write parts one after the other, in the order of the calls. */
  constructor(write: (part: PageWrite) => Promise<Written>, stateOf: (object: ObjectInfo) => ReadState) {
    this.#write = write
    this.#stateOf = stateOf
  }

  /** Adds a task; waits while the batch is full. A page of one-task objects always fits, so its checkpoint is in the same write. */
  async add(object: ObjectInfo, at: { rowGroup: number; row: number }, task: ParsedTask): Promise<void> {
    const { tasks, staged } = this.#part
    if (tasks.length + staged.length >= maxTasks || this.#bytes >= maxBytes) await this.#flush()
    this.#bytes += task.data.length + (task.extra?.length ?? 0)
    const state = this.#stateOf(object)
    if (state === 'CHANGED') {
      this.#part.staged.push({ ...task, ...at, read: this.#readOf(object) })
      return
    }
    if (at.row >= 0 && !this.#open.has(object.key)) {
      this.#open.add(object.key)
      this.#part.objects.push({ object, rows: null })
    }
    this.#part.tasks.push({ ...task, object, ...at, isNew: state === 'NEW' })
  }

  /** Adds an issue; waits while the batch is full. */
  async addIssue(issue: NewIssue): Promise<void> {
    if (this.#part.issues.length >= maxTasks) await this.#flush()
    this.#part.issues.push(issue)
  }

  /**
   * Records that no more rows of an object follow. `rows` is their number, -1 if the object is one task. `isComplete`: the object
   * was read to its end, without an issue.
   */
  finish(object: ObjectInfo, { rows, isComplete }: { rows: number; isComplete: boolean }): void {
    if (this.#stateOf(object) === 'CHANGED') {
      // An object of which nothing could be read shows nothing.
      if (isComplete || rows !== 0) this.#part.read.push({ object, read: this.#readOf(object), rows, isComplete })
      return
    }
    this.#open.delete(object.key)
    if (rows === -1 || !isComplete) return
    const { objects } = this.#part
    const started = objects.find((other) => other.object.key === object.key)
    if (started) Object.assign(started, { object, rows })
    else objects.push({ object, rows })
  }

  #readOf(object: ObjectInfo): UUID {
    const read = this.#reads.get(object) ?? randomUUID()
    this.#reads.set(object, read)
    return read
  }

  countRead(bytes: number): void {
    this.#bytesRead += bytes
  }

  /** Writes the rest of the page, with its counts, findings and checkpoint. */
  async end(
    page: Pick<PageWrite, 'restored' | 'missing' | 'unread' | 'seen' | 'checkpoint'> & {
      counts: Omit<PageWrite['counts'], 'bytesRead'>
    },
  ): Promise<void> {
    await this.#writing
    const existed = page.counts.existed + this.#existed
    await this.#write({ ...this.#part, ...page, counts: { ...page.counts, existed, bytesRead: this.#bytesRead } })
  }

  async #flush(): Promise<void> {
    const before = this.#writing
    this.#writing = this.#write(this.#part).then(({ existed }) => {
      this.#existed += existed
    })
    this.#writing.catch(() => {})
    this.#part = emptyPageWrite()
    this.#bytes = 0
    await before
  }
}
