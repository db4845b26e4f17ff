import type { ObjectInfo } from '../providers/provider.ts'
import type { ParsedTask } from './parse-task.ts'
import type { NewIssue, NewTask, PageWrite } from './write-page.ts'

const maxTasks = 1_000
const maxBytes = 16 * 2 ** 20

/** Collects what a page yields and writes it in parts, so that a page of large files does not fill the memory. */
export class Batch {
  readonly #write: (part: PageWrite) => Promise<void>
  #tasks: NewTask[] = []
  #issues: NewIssue[] = []
  #finished: PageWrite['finished'] = []
  #bytes = 0
  #bytesRead = 0

  /** `write` must write parts one after the other, in the order of the calls. */
  constructor(write: (part: PageWrite) => Promise<void>) {
    this.#write = write
  }

  /** Takes a task, once there is room for it. A page of single tasks is never full, so that its cursor goes with them. */
  async add(object: ObjectInfo, at: { rowGroup: number; row: number }, task: ParsedTask): Promise<void> {
    if (this.#tasks.length >= maxTasks || this.#bytes >= maxBytes) await this.#flush({ cursor: undefined })
    this.#tasks.push({ ...task, object, ...at })
    this.#bytes += task.data.length
  }

  /** Takes an issue, once there is room for it. */
  async addIssue(issue: NewIssue): Promise<void> {
    if (this.#issues.length >= maxTasks) await this.#flush({ cursor: undefined })
    this.#issues.push(issue)
  }

  /** Notes that all `rows` rows of an object were added. */
  finish(key: string, rows: number): void {
    this.#finished.push({ key, rows })
  }

  countRead(bytes: number): void {
    this.#bytesRead += bytes
  }

  /** Writes what is left, the page's own counts and its cursor. */
  async end(page: { listed: number; skipped: number; existed: number; cursor: string | null }): Promise<void> {
    await this.#flush(page)
  }

  #flush(page: {
    listed?: number
    skipped?: number
    existed?: number
    cursor: string | null | undefined
  }): Promise<void> {
    const { listed = 0, skipped = 0, existed = 0, cursor } = page
    const part: PageWrite = {
      tasks: this.#tasks,
      issues: this.#issues,
      finished: this.#finished,
      counts: { listed, skipped, existed, bytesRead: this.#bytesRead },
      cursor,
    }
    this.#tasks = []
    this.#issues = []
    this.#finished = []
    this.#bytes = 0
    this.#bytesRead = 0
    return this.#write(part)
  }
}
