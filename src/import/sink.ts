import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { PageTarget, PageWrite } from './page-write.ts'

/** What a write changed. */
export interface Written {
  created: number
  /** Rows that already had links, if the write has no checkpoint. The last write of the page counts them. */
  existed: number
}

/** Input of the sweep after the last page. */
export interface Sweep {
  run: SyncRun
  storage: Storage
  /** Number of missing objects. Their keys are in `sync_key`. */
  objects: number
  /** Number of links whose row is no longer in its object. */
  rows: number
  signal: AbortSignal
}

/**
 * Receives the results of the diff of an import. A sink promises:
 * - A write is one transaction with the counters, the issues and the checkpoint of the page.
 * - The same page written again, as after a crash, changes nothing, not even counters.
 * - It refuses writes of a worker whose lease of the run or range has passed to another.
 */
export interface ImportSink {
  /** Whether `write` needs more than one statement, so that its `em` must be in a transaction. */
  needsTransaction(part: PageWrite, target: PageTarget): boolean
  /** Writes a part of a page. @throws RunLost, ShardChanged */
  write(em: EntityManager, target: PageTarget, part: PageWrite): Promise<Written>
  /** Number of links whose row is no longer in its object. */
  countMissingRows(em: EntityManager, run: SyncRun, storage: Storage): Promise<number>
  /** Applies `missingPolicy`, one page per transaction. @throws RunLost; the reason of the signal */
  sweep(em: EntityManager, sweep: Sweep): Promise<void>
}
