import type { EntityManager } from '@mikro-orm/postgresql'
import { type Project, ProjectEntity } from '../entities/project.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { SluiceError } from '../errors.ts'
import type { ListPage, ObjectInfo, Provider } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import { formatUri } from '../providers/uri.ts'
import { Batch } from './batch.ts'
import { forEachBounded } from './bounded.ts'
import { inTurn } from './in-turn.ts'
import { createKeyFilter, type KeyFilter } from './key-filter.ts'
import type { ParsedTask } from './parse-task.ts'
import { createProgress } from './progress.ts'
import { readTasks } from './read-tasks.ts'
import { importedKeys } from './write-page.ts'

const pageSize = 1_000
// A B-tree entry of PostgreSQL has at most 2,704 bytes, and the link's index holds more than the key.
const maxKeyBytes = 2_600

const wholeObject = { rowGroup: -1, row: -1 }

interface Import {
  em: EntityManager
  run: SyncRun
  provider: Provider
  readConcurrency: number
  signal: AbortSignal
}

/**
 * Imports page by page: list → filter → drop what is linked → read (TASKS) → write with links, counters and cursor in one
 * commit. Starts at the run's cursor. Faults of single objects become issues of the run. While a page is being written, the
 * next one is read, and the one after that listed.
 * @throws SluiceError when the location cannot be listed; RunLost when another worker holds the run; the signal's reason.
 */
export async function importStorage({ em, run, provider, readConcurrency, signal }: Import): Promise<void> {
  const storage = await em.fork().findOneOrFail(StorageEntity, run.storage)
  const project = await em.fork().findOneOrFail(ProjectEntity, storage.project)
  const filter = createKeyFilter(storage.regexFilter)
  const write = inTurn(createProgress(em, { ...run, storage: storage.id, project: project.id }))
  const readInto =
    storage.importMethod === 'FILES'
      ? (object: ObjectInfo, batch: Batch) => batch.add(object, wholeObject, fileTask(storage, project, object.key))
      : (object: ObjectInfo, batch: Batch) => readTasks(provider, object, batch, signal)

  let written = Promise.resolve()
  try {
    for await (const page of pagesOf(provider, { cursor: run.cursor ?? null, recursive: storage.recursive, signal })) {
      const batch = new Batch(write)
      const { fresh, ...counts } = await sift(em, storage, page, filter, batch)
      await forEachBounded(fresh, readConcurrency, (object) => readInto(object, batch))
      signal.throwIfAborted()
      await written
      written = batch.end({ listed: page.objects.length, ...counts, cursor: page.cursor })
      written.catch(() => {})
    }
  } finally {
    // What was begun is brought to its end before the run goes on to another state.
    await written
  }
}

/** The listing from `cursor` on. While a page is at work the next one is on its way; its fault shows when it is its turn. */
async function* pagesOf(
  provider: Provider,
  { cursor, recursive, signal }: { cursor: string | null; recursive: boolean; signal: AbortSignal },
): AsyncGenerator<ListPage> {
  const left = new AbortController()
  const either = AbortSignal.any([signal, left.signal])
  const ask = (from: string | null) => {
    const page = provider.list({ cursor: from, limit: pageSize, recursive, signal: either })
    page.catch(() => {})
    return page
  }
  try {
    for (let next: Promise<ListPage> | undefined = ask(cursor); next; ) {
      const page: ListPage = await next
      next = page.cursor === null ? undefined : ask(page.cursor)
      yield page
    }
  } finally {
    left.abort()
  }
}

/** Leaves out what the filter does not take, what is linked already, and keys that no link can hold. */
async function sift(em: EntityManager, storage: Storage, page: ListPage, filter: KeyFilter, batch: Batch) {
  const matched = page.objects.filter(({ key }) => filter(key))
  const linkable: ObjectInfo[] = []
  for (const object of matched) {
    const fault = unlinkable(object.key)
    if (!fault) linkable.push(object)
    else await batch.addIssue({ key: object.key.toWellFormed().replaceAll('\0', '\ufffd'), ...wholeObject, ...fault })
  }
  const keys = linkable.map(({ key }) => key)
  const known = keys.length === 0 ? new Set<string>() : await importedKeys(em, storage.id, keys)
  return {
    fresh: linkable.filter(({ key }) => !known.has(key)),
    skipped: page.objects.length - matched.length,
    existed: known.size,
  }
}

/** Why no link can hold the key; undefined when one can. */
function unlinkable(key: string): Pick<SluiceError, 'code' | 'message' | 'retryable'> | undefined {
  const fault =
    !key.isWellFormed() || key.includes('\0')
      ? 'KEY_NOT_TEXT'
      : Buffer.byteLength(key) > maxKeyBytes
        ? 'KEY_TOO_LONG'
        : undefined
  if (!fault) return undefined
  const { code, message, retryable } = new SluiceError(fault)
  return { code, message, retryable }
}

function fileTask(storage: Storage, project: Project, key: string): ParsedTask {
  const kind = providers[storage.provider as ProviderName]
  const uri = formatUri({ scheme: kind.uriScheme, bucket: kind.place(storage.location).bucket, key })
  const data = JSON.stringify({ [project.dataKey]: uri })
  return { data, meta: null, allowSkip: true, predictions: [], annotations: [] }
}
