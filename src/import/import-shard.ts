import type { EntityManager } from '@mikro-orm/postgresql'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { Project } from '../entities/project.ts'
import { policyOf } from '../entities/run-policies.ts'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { keyFault } from '../providers/key-bytes.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { formatUri, type StorageUri } from '../providers/uri.ts'
import type { ObjectFilter } from '../storages/object-filter.ts'
import { hiveColumnsOf, withColumns } from '../task-files/hive-columns.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'
import { Batch } from './batch.ts'
import { diffPage, objectIssue, type PageDiff } from './diff-page.ts'
import type { ListingScope } from './link-states.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { readTasks } from './read-tasks.ts'
import { isComparable, type PageEnd, publishReads, type Shard, toStored } from './shards.ts'
import type { Written } from './sink.ts'
import type { ObjectSource, Page } from './source.ts'

/** What all ranges of an import share. */
export interface ShardWork {
  em: EntityManager
  run: SyncRun
  storage: Storage
  project: Project
  /** Pauses its calls while the storage is unavailable. */
  provider: Provider
  limit: AdaptiveLimit
  /** See `elementsOf`. */
  spoolFolder?: string | undefined
  signal: AbortSignal
  uriBase: Pick<StorageUri, 'scheme' | 'bucket'>
  scope: ListingScope
  filter: ObjectFilter
  /** Number of objects that may still be imported; undefined = no limit. */
  remaining: { objects: number } | undefined
  source: ObjectSource
  /** Whether other workers can split ranges of the run. */
  splits: boolean
  /** Writes a part of a page to the sink. */
  write: (target: PageTarget, part: PageWrite) => Promise<Written>
}

// Below this time per page, a second range that is listed at the same time does not help.
const slowPageMs = 30
const wholeObject = { rowGroup: -1, row: -1 }

/**
 * Imports a range from its cursor to its end. It reads one page while it writes the previous one. After `minPages` pages it calls
 * `onLongListing` for each page while the listing is slow: above 30 ms per page and a quarter of the time.
 * @throws ShardChanged, RunLost; SluiceError if the storage cannot be listed; the reason of the signal.
 */
export async function importShard(
  work: ShardWork,
  shard: Shard,
  { minPages, onLongListing }: { minPages: number; onLongListing: () => void },
): Promise<void> {
  const { em, run, storage, remaining } = work
  const policy = policyOf(run.kind)
  const stop = new AbortController()
  const signal = AbortSignal.any([work.signal, stop.signal])
  const target: PageTarget = {
    ...shard,
    storage: storage.id,
    project: work.project.id,
    replaces: storage.changedPolicy === 'UPDATE' && storage.importMethod === 'FILES',
    updatesRows: storage.changedPolicy === 'UPDATE' && storage.importMethod === 'TASKS',
    deletesGone: storage.missingPolicy === 'DELETE_UNANNOTATED',
    reportsChanges: storage.changedPolicy === 'REPORT',
    rowKey: storage.importMethod === 'TASKS' ? (storage.rowKey ?? null) : null,
  }
  const reader = readerOf(work, signal)
  const recordsSeen = storage.missingPolicy !== 'KEEP' && policy.findsMissing !== 'NEVER'
  const started = performance.now()
  let [pages, waitedMs] = [0, 0]
  let written: Promise<void> = Promise.resolve()
  try {
    for await (const page of work.source(shard, signal)) {
      const diff = await compare(work, page)
      const isFull = remaining ? applyMaxObjects(remaining, diff) : false
      const cursor = isFull ? null : page.cursor
      const end = endOf(page, { cursor, until: shard.until })
      if (work.splits && storage.importMethod === 'TASKS' && diff.toImport.length > 0) {
        // If the range has changed, the earlier pages are written first, so the range continues after them.
        await publishReads(em, target, end).catch((error) => written.then(() => Promise.reject(error)))
      }
      const batch = new Batch(
        (part) => work.write(target, { ...part, end }),
        (object) => diff.states.get(object) ?? 'NEW',
      )
      const reading = reader(diff.toImport, batch)
      // `written` rejects with the same error when it is the turn of this page.
      reading.catch((error) => stop.abort(error))
      const { issues, skipped, existed, restored, missing } = diff
      const last = (isFull ? diff.toImport : page.objects).at(-1)
      const previous = written
      written = (async () => {
        await reading
        for (const issue of issues) await batch.addIssue(issue)
        for (const { key, error } of page.gaps) await batch.addIssue(objectIssue(key, error))
        await previous
        signal.throwIfAborted()
        await batch.end({
          restored,
          missing,
          unread: page.gaps.flatMap(({ key }) => (keyFault(key) ? [] : [key])),
          // For an unordered listing, only the keys of all pages together show what is missing.
          seen:
            recordsSeen && page.range === null
              ? page.objects.flatMap(({ key }) => (key.includes('\0') ? [] : [key]))
              : [],
          counts: { listed: sizeOf(page), skipped, existed },
          checkpoint: { cursor: toStored(cursor), lastKey: toStored(last?.key ?? null), pages: 1 },
        })
      })()
      written.catch((error) => stop.abort(error))
      await previous
      waitedMs += page.waitedMs
      pages++
      // A listing that waits for the limit of its storage is not slow: further ranges would wait, too.
      const isSlow =
        storage.maxRequestsPerSecond == null &&
        waitedMs > slowPageMs * pages &&
        waitedMs > (performance.now() - started) / 4
      if (pages >= minPages && isSlow) onLongListing()
      if (isFull) break
    }
    await written
  } catch (error) {
    stop.abort(error)
    await written.catch(() => {})
    // The first error caused the others.
    throw work.signal.aborted ? work.signal.reason : (stop.signal.reason ?? error)
  }
}

/** Compares a page with the links of the storage. */
function compare(
  { em, run, storage, filter, provider: { refusesKey }, scope }: ShardWork,
  page: Page,
): Promise<PageDiff> {
  const flagsAbsent = policyOf(run.kind).findsMissing === 'BY_KEY'
  return diffPage(em, { storage, run, filter, refusesKey, scope, flagsAbsent }, page)
}

/** Where the page ends, if the source continues at `cursor` after it. */
function endOf({ objects, range }: Page, { cursor, until }: { cursor: string | null; until: string | null }): PageEnd {
  const greatest = objects.at(-1)?.key ?? range?.until ?? null
  return cursor !== null && range !== null && greatest !== null && isComparable(greatest)
    ? { isLast: false, key: greatest }
    : { isLast: true, key: until }
}

const sizeOf = ({ objects, absent = [], outside = 0 }: Page) => objects.length + absent.length + outside

/** Applies `maxObjects` to the page. True when the limit is reached. */
function applyMaxObjects(remaining: { objects: number }, diff: PageDiff): boolean {
  const excess = diff.toImport.splice(Math.max(0, remaining.objects)).length
  diff.skipped += excess
  remaining.objects -= diff.toImport.length
  return remaining.objects <= 0
}

/** Adds objects to a batch; task files are read. */
function readerOf(work: ShardWork, signal: AbortSignal): (objects: ObjectInfo[], batch: Batch) => Promise<void> {
  const { storage, project, provider, uriBase, limit, spoolFolder } = work
  if (storage.importMethod === 'FILES') {
    return async (objects, batch) => {
      for (const object of objects) {
        const uri = formatUri({ ...uriBase, key: object.key })
        const data = JSON.stringify({ [project.dataKey]: uri })
        const columns = storage.hiveColumns ? hiveColumnsOf(object.key) : {}
        await batch.add(object, wholeObject, fileTask(storage.hiveColumns ? withColumns(data, columns) : data))
      }
    }
  }
  return async (objects, batch) => {
    const all = objects.map((object) =>
      limit.run(() => {
        signal.throwIfAborted()
        return readTasks(provider, object, batch, { signal, spoolFolder, settings: storage })
      }),
    )
    await Promise.all(all)
  }
}

function fileTask(data: string): ParsedTask {
  return { data, meta: null, allowSkip: true, predictions: [], annotations: [] }
}
