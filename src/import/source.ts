import type { ListGap, ObjectInfo } from '../providers/provider.ts'

/** A page of objects, limited to the range. */
export interface Page {
  objects: ObjectInfo[]
  /** Where the source continues; null after the last page. */
  cursor: string | null
  /**
   * The page contains every key after `after` and up to `until` (null = no bound). Null if the page proves nothing about other keys:
   * in an unordered listing they may be in another page, and a source of keys leaves them out.
   */
  range: { after: string | null; until: string | null } | null
  /** Milliseconds spent waiting for this page. */
  waitedMs: number
  /** Folders and keys that could not be listed. Nothing there counts as missing. */
  gaps: ListGap[]
  /** Sources of keys: keys that were looked up and have no object. */
  absent?: string[]
  /** Sources of keys: number of keys that no listing of the storage could return. */
  outside?: number
}

/** The part of a source that one worker processes: the keys after `after`, up to `until`; null = no bound. */
export interface SourceRange {
  after: string | null
  until: string | null
  /** `Page.cursor` of the last page that was written; null at the start. */
  cursor: string | null
  /** The last key before `cursor`. */
  lastKey: string | null
}

/**
 * Opens a source of objects at a cursor. A source knows the storage or a list of keys, but no links: the diff decides what to
 * import, and the sink writes it.
 *
 * A source promises:
 * - Pages come one after the other. The cursor of a page continues after it, in another process and after a crash.
 * - A page shows the objects as they were at some moment after the source was opened.
 * - It throws a SluiceError if the storage as a whole cannot be read, and the reason of `signal`. An error of one object is
 *   `ObjectInfo.fault`.
 */
export type ObjectSource = (range: SourceRange, signal: AbortSignal) => AsyncIterable<Page>
