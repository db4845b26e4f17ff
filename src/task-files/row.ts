import type { ParsedTask } from './parse-task.ts'

/** One row of a task file. */
export interface Element {
  /** -1 outside of Parquet. */
  rowGroup: number
  /** -1 when the file is one task. */
  row: number
  /** @throws SluiceError when the row is no task. */
  parse(): ParsedTask
}

/** A row with more bytes of JSON than this is an issue, TASK_TOO_LARGE; of it no more than this is ever held. */
export const maxTaskBytes = 64 * 2 ** 20
