import type { ObjectInfo } from '../providers/provider.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'

/** A task and its origin: `row` of `rowGroup` (-1 for other formats than Parquet); `row` is -1 if the object is one task. */
export interface NewTask extends ParsedTask {
  object: ObjectInfo
  rowGroup: number
  row: number
  /** True if no row of the object has a link. */
  isNew: boolean
}
