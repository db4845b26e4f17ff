import type { ErrorCode } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import type { NewTask } from './new-task.ts'
import type { PageEnd, ShardLease } from './shards.ts'

/** The present version of an object with several rows. */
export interface RowObject {
  object: ObjectInfo
  /** Number of rows, once the object was read to its end without an error; else null. */
  rows: number | null
  /** The same for each row group; -1 stands for all rows of other formats. */
  groups: { rowGroup: number; rows: number }[]
  /** True if no row of the object has a link. */
  isNew: boolean
}

/** An error of an object, or of one of its rows. */
export interface NewIssue {
  key: string | null
  rowGroup: number
  row: number
  code: ErrorCode
  message: string
  retryable: boolean
}

/** Added to the counters of the run. */
export interface PageCounts {
  listed: number
  skipped: number
  existed: number
  bytesRead: number
}

/** Part of a page. The last part moves the checkpoint. */
export interface PageWrite {
  tasks: NewTask[]
  issues: NewIssue[]
  /** Multi-row objects of which some rows are written. */
  objects: RowObject[]
  /** Keys that were flagged as missing and are listed again. */
  restored: string[]
  /** Linked keys that were not listed. They are recorded until the listing is complete. */
  missing: string[]
  /** Keys of folders and objects that could not be listed. Nothing below them counts as missing. */
  unread: string[]
  /** Listed keys of an unordered listing; at its end they show which keys are missing. */
  seen: string[]
  counts: PageCounts
  /** Where the page ends. The write is refused if its range ends before that. */
  end: PageEnd
  /** The new checkpoint; undefined before the last part of the page. */
  checkpoint: { cursor: string | null; lastKey: string | null; pages: number } | undefined
}

/** The range that a page belongs to, and how it is written. */
export interface PageTarget extends ShardLease {
  storage: number
  project: number
  /** Replaces the data of tasks that were imported from another version of the object (UPDATE). */
  replaces: boolean
}

/** An empty write. */
export function emptyPageWrite(): PageWrite {
  return {
    tasks: [],
    issues: [],
    objects: [],
    restored: [],
    missing: [],
    unread: [],
    seen: [],
    counts: { listed: 0, skipped: 0, existed: 0, bytesRead: 0 },
    end: { isLast: true, key: null },
    checkpoint: undefined,
  }
}
