import type { Storage } from '../entities/storage.ts'
import { SluiceError } from '../errors.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { hiveColumnsOf, withColumns } from '../task-files/hive-columns.ts'
import { withoutTimes } from '../task-files/parse-task.ts'
import { elementsOf } from '../task-files/read-rows.ts'
import type { Element } from '../task-files/row.ts'
import type { Batch } from './batch.ts'

/** Options of a read. */
interface ReadOptions {
  signal: AbortSignal
  /** See `elementsOf`. */
  spoolFolder?: string | undefined
  /** How the rows are read. */
  settings: Pick<Storage, 'hiveColumns' | 'keepTimes' | 'rowsPath' | 'maxInlineBytes'>
}

/**
 * Reads one task file into the batch. Each row becomes a task or an issue, or both: an issue beside a task says what of the row is not
 * in the task. Such a row counts as imported, so it is not read again. An error of the file becomes an issue of the object.
 * Rejects only if `signal` aborts or the batch cannot be written.
 */
export async function readTasks(
  provider: Provider,
  object: ObjectInfo,
  batch: Batch,
  { signal, spoolFolder, settings: { hiveColumns, keepTimes, rowsPath, maxInlineBytes } }: ReadOptions,
): Promise<void> {
  const { key } = object
  const columns = hiveColumns ? hiveColumnsOf(key) : {}
  const hasColumns = Object.keys(columns).length > 0
  let isWhole = false
  let rows = 0
  let hasErrors = false
  const add = ({ code, message, retryable }: SluiceError, rowGroup: number, row: number) =>
    batch.addIssue({ key, rowGroup, row, code, message, retryable })
  const issue = (error: unknown, rowGroup: number, row: number) => {
    if (!(error instanceof SluiceError)) throw error
    hasErrors = true
    return add(error, rowGroup, row)
  }
  const countRead = (bytes: number) => batch.countRead(bytes)
  const elements = elementsOf(provider, key, { signal, spoolFolder, countRead, rowsPath, maxInlineBytes })
  try {
    for (;;) {
      let next: IteratorResult<Element>
      try {
        next = await elements.next()
      } catch (error) {
        signal.throwIfAborted()
        await issue(error, -1, -1)
        break
      }
      signal.throwIfAborted()
      if (next.done) break
      const { rowGroup, row, parse } = next.value
      if (row === -1) isWhole = true
      rows++
      const parsed = attempt(() => {
        const parsed = parse()
        if (keepTimes && parsed.timeFault) throw new SluiceError('BAD_ENVELOPE', parsed.timeFault)
        const task = keepTimes ? parsed : withoutTimes(parsed)
        return hasColumns ? { ...task, data: withColumns(task.data, columns) } : task
      })
      if ('error' in parsed) await issue(parsed.error, rowGroup, row)
      else {
        await batch.add(object, { rowGroup, row }, parsed.value)
        if (parsed.value.issue) await add(parsed.value.issue, rowGroup, row)
      }
    }
  } finally {
    // Frees the socket when the loop ends early.
    await elements.return(undefined)
  }
  // After an error, rows are unknown, so none counts as missing.
  batch.finish(object, { rows: isWhole ? -1 : rows, isComplete: !hasErrors })
}

function attempt<T>(work: () => T): { value: T } | { error: unknown } {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}
