import type { ObjectInfo } from '../providers/provider.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'
import { emptyPageWrite, type NewIssue, type PageWrite, type RowObject } from './page-write.ts'
import type { Written } from './sink.ts'

const maxTasks = 1_000
const maxBytes = 4 * 2 ** 20

/**
 * Collects the tasks of a page and writes them in parts, so that a page of large files does not fill the memory. While one part is
 * written, the next one is collected.
 */
export class Batch {
  readonly #write: (part: PageWrite) => Promise<Written>
  readonly #isNew: (object: ObjectInfo) => boolean
  #part = emptyPageWrite()
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()
  /** Keys of multi-row objects of which more rows follow. */
  readonly #open = new Set<string>()
  // The counts of the page are written with its checkpoint, so that a page that is repeated after a crash counts once.
  #bytesRead = 0
  #existed = 0

  /** `write` must write parts one after the other, in the order of the calls. `isNew`: the object has no link. */
  constructor(write: (part: PageWrite) => Promise<Written>, isNew: (object: ObjectInfo) => boolean) {
    this.#write = write
    this.#isNew = isNew
  }

  /** Adds a task; waits while the batch is full. A page of one-task objects always fits, so its checkpoint is in the same write. */
  async add(object: ObjectInfo, at: { rowGroup: number; row: number }, task: ParsedTask): Promise<void> {
    if (this.#part.tasks.length >= maxTasks || this.#bytes >= maxBytes) await this.#flush()
    if (at.row >= 0 && !this.#open.has(object.key)) {
      this.#open.add(object.key)
      this.#part.objects.push({ object, rows: null, groups: [], isNew: this.#isNew(object) })
    }
    this.#part.tasks.push({ ...task, object, ...at, isNew: this.#isNew(object) })
    this.#bytes += task.data.length + (task.extra?.length ?? 0)
  }

  /** Adds an issue; waits while the batch is full. */
  async addIssue(issue: NewIssue): Promise<void> {
    if (this.#part.issues.length >= maxTasks) await this.#flush()
    this.#part.issues.push(issue)
  }

  /** Records that all rows of an object were added, with the counts of its row groups. */
  finish(object: ObjectInfo, groups: RowObject['groups']): void {
    this.#open.delete(object.key)
    const { objects } = this.#part
    const started = objects.find((other) => other.object.key === object.key)
    const rows = groups.reduce((sum, group) => sum + group.rows, 0)
    if (started) Object.assign(started, { object, rows, groups })
    else objects.push({ object, rows, groups, isNew: this.#isNew(object) })
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
