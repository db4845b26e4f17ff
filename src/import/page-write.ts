import type { ErrorCode } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import type { NewTask } from './new-task.ts'
import type { ShardHold } from './shards.ts'

/** An object of several rows, in its present version. */
export interface RowObject {
  object: ObjectInfo
  /** Number of rows, once the object was read to its end without a fault; else null. */
  rows: number | null
  /** The same for each row group; -1 is that of all rows outside of Parquet. */
  groups: { rowGroup: number; rows: number }[]
  /** Whether it is certain that nothing of the object is linked. */
  isNew: boolean
}

/** Why an object, or one of its rows, was not imported. */
export interface NewIssue {
  key: string | null
  rowGroup: number
  row: number
  code: ErrorCode
  message: string
  retryable: boolean
}

/** What is added to a run's counters. */
export interface PageCounts {
  listed: number
  skipped: number
  existed: number
  bytesRead: number
}

/** A part of a page, or the last part, which moves the cursor. */
export interface PageWrite {
  tasks: NewTask[]
  issues: NewIssue[]
  /** Objects of several rows of which some are written. */
  objects: RowObject[]
  /** Keys of flagged links whose objects are there again. */
  back: string[]
  /** Keys that are linked and not listed, to be kept in mind until the listing is complete. */
  missing: string[]
  /** Keys of folders and objects that could not be listed: nothing there is missing. */
  unread: string[]
  /** Keys that were listed, where that is needed to know what was not. */
  seen: string[]
  counts: PageCounts
  /** Moves the cursor; undefined while the page is not done. */
  checkpoint: { cursor: string | null; lastKey: string | null; pages: number } | undefined
}

/** Where a page is written to. */
export interface PageTarget extends ShardHold {
  storage: number
  project: number
  /** Whether a task that is linked already, to another version of the object, is replaced. */
  replaces: boolean
  /** Counts what would be written, and writes only that. */
  dryRun: boolean
}
