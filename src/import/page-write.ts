import type { ErrorCode } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import type { ReadObject } from './match-rows.ts'
import type { NewTask } from './new-task.ts'
import type { PageEnd, ShardLease } from './shards.ts'
import type { StagedRow } from './stage-rows.ts'

/** The present version of an object with several rows. */
export interface RowObject {
  object: ObjectInfo
  /** Number of rows, once the object was read to its end without an error; else null. */
  rows: number | null
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
  /** Rows of objects that were imported in another version. They wait until their object is in `read`. */
  staged: StagedRow[]
  /** Objects whose staged rows are all there. */
  read: ReadObject[]
  /** Keys that were flagged as missing and are listed again. */
  restored: string[]
  /** Linked keys that were not listed. They are recorded until the listing is complete. */
  missing: string[]
  /** Keys of folders and objects that could not be listed. Nothing below them counts as missing. */
  unread: string[]
  /** Listed keys of an unordered listing; at its end they show which keys are missing. */
  seen: string[]
  counts: PageCounts
  /** What the rows in `read` have changed. */
  changes: { created: number; updated: number; existed: number; failed: number }
  /** Where the page ends. The write is refused if its range ends before that. */
  end: PageEnd
  /** The new checkpoint; undefined before the last part of the page. */
  checkpoint: { cursor: string | null; lastKey: string | null; pages: number } | undefined
}

/** The range that a page belongs to, and how it is written. */
export interface PageTarget extends ShardLease {
  storage: number
  project: number
  /** Updates the links of objects that are one task without reading them (FILES with UPDATE). */
  replaces: boolean
  /** Updates the tasks of rows that changed (TASKS with UPDATE). */
  updatesRows: boolean
  /** Deletes labels that a file no longer has (DELETE_UNANNOTATED). */
  deletesGone: boolean
  /** Reports tasks whose row has changed (REPORT). */
  reportsChanges: boolean
  /** `Storage.rowKey` */
  rowKey: string | null
}

/** An empty write. */
export function emptyPageWrite(): PageWrite {
  return {
    tasks: [],
    issues: [],
    objects: [],
    staged: [],
    read: [],
    restored: [],
    missing: [],
    unread: [],
    seen: [],
    counts: { listed: 0, skipped: 0, existed: 0, bytesRead: 0 },
    changes: { created: 0, updated: 0, existed: 0, failed: 0 },
    end: { isLast: true, key: null },
    checkpoint: undefined,
  }
}
