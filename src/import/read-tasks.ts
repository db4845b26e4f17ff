import { SluiceError } from '../errors.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { hiveColumnsOf, withColumns } from '../task-files/hive-columns.ts'
import { withoutTimes } from '../task-files/parse-task.ts'
import { elementsOf } from '../task-files/read-rows.ts'
import type { Element } from '../task-files/row.ts'
import type { Batch } from './batch.ts'
import type { RowObject } from './page-write.ts'

/** How a task file is read. */
interface ReadOptions {
  signal: AbortSignal
  /** See `elementsOf`. */
  spoolFolder?: string | undefined
  hiveColumns?: boolean
  keepTimes?: boolean
}

/**
 * Reads one task file into the batch: every row becomes a task or an issue, and a fault of the file itself an issue of the
 * whole object. With `hiveColumns`, the folders of its key become columns; without `keepTimes`, its times are dropped. Rejects only when the run cannot go on: `signal` aborted, or the batch could not be written.
 */
export async function readTasks(
  provider: Provider,
  object: ObjectInfo,
  batch: Batch,
  { signal, spoolFolder, hiveColumns = false, keepTimes = true }: ReadOptions,
): Promise<void> {
  const { key } = object
  const columns = hiveColumns ? hiveColumnsOf(key) : {}
  const hasColumns = Object.keys(columns).length > 0
  let isWhole = false
  const groups: RowObject['groups'] = []
  let faulty = false
  const issue = (error: unknown, rowGroup: number, row: number) => {
    if (!(error instanceof SluiceError)) throw error
    faulty = true
    const { code, message, retryable } = error
    return batch.addIssue({ key, rowGroup, row, code, message, retryable })
  }
  const elements = elementsOf(provider, key, { signal, spoolFolder, countRead: (bytes) => batch.countRead(bytes) })
  try {
    for (;;) {
      let next: IteratorResult<Element>
      try {
        next = await elements.next()
      } catch (error) {
        signal.throwIfAborted()
        return await issue(error, -1, -1)
      }
      signal.throwIfAborted()
      if (next.done) break
      const { rowGroup, row, parse } = next.value
      if (row === -1) isWhole = true
      else {
        const group = groups.at(-1)
        if (group?.rowGroup === rowGroup) group.rows = row + 1
        else groups.push({ rowGroup, rows: row + 1 })
      }
      const parsed = attempt(() => {
        const parsed = parse()
        if (keepTimes && parsed.timeFault) throw new SluiceError('BAD_ENVELOPE', parsed.timeFault)
        const task = keepTimes ? parsed : withoutTimes(parsed)
        return hasColumns ? { ...task, data: withColumns(task.data, columns) } : task
      })
      await ('error' in parsed
        ? issue(parsed.error, rowGroup, row)
        : batch.add(object, { rowGroup, row }, parsed.value))
    }
  } finally {
    // Leaving early must free the socket.
    await elements.return(undefined)
  }
  // Rows after a fault are unknown, so nothing says that one is gone.
  if (!isWhole && !faulty) batch.finish(object, groups)
}

function attempt<T>(work: () => T): { value: T } | { error: unknown } {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}
