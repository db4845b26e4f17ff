import type { ObjectInfo } from '../providers/provider.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'

/** A task and where it came from: `row` of `rowGroup` (-1 outside of Parquet), or -1 when the object is one task. */
export interface NewTask extends ParsedTask {
  object: ObjectInfo
  rowGroup: number
  row: number
  /** Whether it is certain that nothing of its object is linked. */
  isNew: boolean
}
