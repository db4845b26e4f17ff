import type { EntityManager } from '@mikro-orm/postgresql'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { Project } from '../entities/project.ts'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { keyFault } from '../providers/key-bytes.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { formatUri, type StorageUri } from '../providers/uri.ts'
import { sql } from '../sql.ts'
import type { ObjectFilter } from '../storages/object-filter.ts'
import { hiveColumnsOf, withColumns } from '../task-files/hive-columns.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'
import { Batch } from './batch.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { pagesOf } from './pages.ts'
import { readTasks } from './read-tasks.ts'
import { retryPages } from './retry-pages.ts'
import { type Shard, toStored } from './shards.ts'
import { type ListingScope, objectIssue, type Sifted, sift } from './sift.ts'
import type { Written } from './write-page.ts'

/** What the ranges of an import have in common. */
export interface ShardWork {
  em: EntityManager
  run: SyncRun
  storage: Storage
  project: Project
  /** Waits while the location is away. */
  provider: Provider
  limit: AdaptiveLimit
  /** See `elementsOf`. */
  spoolFolder?: string | undefined
  signal: AbortSignal
  uriBase: Pick<StorageUri, 'scheme' | 'bucket'>
  scope: ListingScope
  filter: ObjectFilter
  /** How many objects may still be taken; undefined = any number. */
  room: { left: number } | undefined
  write: (target: PageTarget, part: PageWrite) => Promise<Written>
}

// A storage that gives its pages faster is so near that asking for two at once is no help.
const slowPageMs = 30
const wholeObject = { rowGroup: -1, row: -1 }

/**
 * Imports a range from its cursor to its end, two pages at a time: one is read while the one before it is written.
 * Once `minPages` pages came, `onLongListing` is called with each, as long as a page is waited for long, and that takes a quarter
 * of the time or more.
 * @throws ShardChanged, RunLost; SluiceError when it cannot be listed; the signal's reason.
 */
export async function importShard(
  work: ShardWork,
  shard: Shard,
  { minPages, onLongListing }: { minPages: number; onLongListing: () => void },
): Promise<void> {
  const { em, run, storage, room } = work
  const own = new AbortController()
  const signal = AbortSignal.any([work.signal, own.signal])
  const target: PageTarget = {
    ...shard,
    storage: storage.id,
    project: work.project.id,
    replaces: storage.changedPolicy === 'UPDATE',
    dryRun: run.kind === 'DRY_RUN',
  }
  const reader = readerOf(work, signal)
  const keepsSeen = storage.missingPolicy !== 'KEEP' && run.kind !== 'RETRY'
  const started = performance.now()
  let [pages, waitedMs] = [0, 0]
  let before: Promise<void> = Promise.resolve()
  try {
    const { provider } = work
    const listing =
      run.kind === 'RETRY'
        ? retryPages(em, { run, provider, cursor: shard.cursor, signal })
        : pagesOf(provider, {
            range: shard,
            isOrdered: provider.ordered === true && !(await hasBrokenOrder(em, run.id)),
            ...{ recursive: storage.recursive, signal },
          })
    for await (const page of listing) {
      const sifted = await sift(
        em,
        { storage, run, filter: work.filter, refusesKey: provider.refusesKey, scope: work.scope },
        page,
      )
      const isFull = room ? take(room, sifted) : false
      const batch = new Batch(
        (part) => work.write(target, part),
        (object) => !sifted.begun.has(object),
      )
      const reading = reader(sifted.fresh, batch)
      // Its fault shows when it is its turn.
      reading.catch((error) => own.abort(error))
      const { issues, skipped, existed, back, missing } = sifted
      const last = (isFull ? sifted.fresh : page.objects).at(-1)
      const previous = before
      before = (async () => {
        await reading
        for (const issue of issues) await batch.addIssue(issue)
        for (const { key, error } of page.gaps) await batch.addIssue(objectIssue(key, error))
        await previous
        signal.throwIfAborted()
        const cursor = isFull ? null : page.cursor
        await batch.end({
          back,
          missing,
          unread: page.gaps.flatMap(({ key }) => (keyFault(key) ? [] : [key])),
          // What comes out of order shows by this alone that it is not missing.
          seen:
            keepsSeen && page.range === null
              ? page.objects.flatMap(({ key }) => (key.includes('\0') ? [] : [key]))
              : [],
          counts: { listed: page.objects.length, skipped, existed },
          checkpoint: { cursor: toStored(cursor), lastKey: toStored(last?.key ?? null), pages: 1 },
        })
      })()
      before.catch((error) => own.abort(error))
      await previous
      waitedMs += page.waitedMs
      const isSlow = waitedMs > slowPageMs * ++pages && waitedMs > (performance.now() - started) / 4
      if (pages >= minPages && isSlow) onLongListing()
      if (isFull) break
    }
    await before
  } catch (error) {
    own.abort(error)
    await before.catch(() => {})
    // What was under way was ended by the first fault, not by what that led to.
    throw work.signal.aborted ? work.signal.reason : (own.signal.reason ?? error)
  }
}

/** Whether the run has met keys out of order before. */
async function hasBrokenOrder(em: EntityManager, run: number): Promise<boolean> {
  const seen = await sql(em, `select 1 from sync_key where run_id = $1 and kind = 'SEEN' limit 1`, [run])
  return seen.length > 0
}

/** Leaves to a page what there is room for. True when there is no more. */
function take(room: { left: number }, sifted: Sifted): boolean {
  const over = sifted.fresh.splice(Math.max(0, room.left)).length
  sifted.skipped += over
  room.left -= sifted.fresh.length
  return room.left <= 0
}

/** Puts objects into a batch, reading them when they are task files. */
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
        const { hiveColumns, keepTimes } = storage
        return readTasks(provider, object, batch, { signal, spoolFolder, hiveColumns, keepTimes })
      }),
    )
    await Promise.all(all)
  }
}

function fileTask(data: string): ParsedTask {
  return { data, meta: null, allowSkip: true, predictions: [], annotations: [] }
}
