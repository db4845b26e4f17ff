import type { ObjectInfo } from '../providers/provider.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'
import type { NewIssue, PageWrite, RowObject } from './page-write.ts'
import { emptyPart, type Written } from './write-page.ts'

const maxTasks = 1_000
const maxBytes = 4 * 2 ** 20

/**
 * Collects what a page yields and writes it in parts, so that a page of large files does not fill the memory: while one part
 * is written, the next one is collected.
 */
export class Batch {
  readonly #write: (part: PageWrite) => Promise<Written>
  readonly #isNew: (object: ObjectInfo) => boolean
  #part = emptyPart()
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()
  /** Objects of several rows that are not at their end. */
  readonly #open = new Set<string>()
  // The page's own counts go with its cursor, so that a page that is done again after a crash counts once.
  #bytesRead = 0
  #existed = 0

  /** `write` must write parts one after the other, in the order of the calls. `isNew`: nothing of the object is linked. */
  constructor(write: (part: PageWrite) => Promise<Written>, isNew: (object: ObjectInfo) => boolean) {
    this.#write = write
    this.#isNew = isNew
  }

  /** Takes a task, once there is room for it. A page of single tasks is never full, so that its cursor goes with them. */
  async add(object: ObjectInfo, at: { rowGroup: number; row: number }, task: ParsedTask): Promise<void> {
    if (this.#part.tasks.length >= maxTasks || this.#bytes >= maxBytes) await this.#flush()
    if (at.row >= 0 && !this.#open.has(object.key)) {
      this.#open.add(object.key)
      this.#part.objects.push({ object, rows: null, groups: [], isNew: this.#isNew(object) })
    }
    this.#part.tasks.push({ ...task, object, ...at, isNew: this.#isNew(object) })
    this.#bytes += task.data.length
  }

  /** Takes an issue, once there is room for it. */
  async addIssue(issue: NewIssue): Promise<void> {
    if (this.#part.issues.length >= maxTasks) await this.#flush()
    this.#part.issues.push(issue)
  }

  /** Notes that all rows of an object were added, by row group. */
  finish(object: ObjectInfo, groups: RowObject['groups']): void {
    this.#open.delete(object.key)
    const { objects } = this.#part
    const begun = objects.find((other) => other.object.key === object.key)
    const rows = groups.reduce((sum, group) => sum + group.rows, 0)
    if (begun) Object.assign(begun, { object, rows, groups })
    else objects.push({ object, rows, groups, isNew: this.#isNew(object) })
  }

  countRead(bytes: number): void {
    this.#bytesRead += bytes
  }

  /** Writes what is left, with the page's own counts and findings and its checkpoint. */
  async end(
    page: Pick<PageWrite, 'back' | 'missing' | 'unread' | 'seen' | 'checkpoint'> & {
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
    this.#part = emptyPart()
    this.#bytes = 0
    await before
  }
}
