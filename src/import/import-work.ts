import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { createAdaptiveLimit } from '../adaptive.ts'
import { type Project, ProjectEntity } from '../entities/project.ts'
import { policyOf } from '../entities/run-policies.ts'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { Provider } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import type { Breaker } from '../runs/breaker.ts'
import { retryingProvider } from '../runs/retrying-provider.ts'
import { execute } from '../sql.ts'
import { createObjectFilter, isSidecar } from '../storages/object-filter.ts'
import { folderScope } from '../storages/place.ts'
import { countSink } from './count-sink.ts'
import type { ShardWork } from './import-shard.ts'
import { chosenKeys, failedKeys, keySource } from './key-source.ts'
import { listingSource } from './listing-source.ts'
import { createPageWriter } from './page-writer.ts'
import type { ImportSink } from './sink.ts'
import type { ObjectSource } from './source.ts'
import { taskSink } from './task-sink.ts'

/** An import, and the limits of the process that works on it. */
export interface Import {
  em: EntityManager
  run: SyncRun
  storage: Storage
  provider: Provider
  /** Objects read at the same time. */
  readConcurrency: number
  /** Ranges of the bucket listed at the same time. */
  listConcurrency: number
  heartbeatSeconds: number
  /** Where objects wait until their checksum is known. */
  spoolFolder?: string | undefined
  breaker: Pick<Breaker, 'call'>
  /** Aborts with the breaker, too. */
  signal: AbortSignal
}

/** The sink of a run. */
export const sinkOf = ({ kind }: SyncRun): ImportSink => (policyOf(kind).countsOnly ? countSink : taskSink)

function sourceOf({
  em,
  run,
  provider,
  scope,
  limit,
}: Pick<ShardWork, 'em' | 'run' | 'provider' | 'scope' | 'limit'>): ObjectSource {
  const { source } = policyOf(run.kind)
  if (source !== 'SETTINGS') {
    const nextKeys = (source === 'CHOICE' ? chosenKeys : failedKeys)(em, run)
    return keySource({ nextKeys, provider, scope, limit })
  }
  const isOrdered = async () => provider.ordered === true && !(await hasBrokenOrder(em, run.id))
  return listingSource(provider, { isOrdered, recursive: scope.recursive })
}

/** Number of objects that a run may still import. */
export const remainingObjects = (
  maxObjects: number,
  { matched, existed }: Pick<SyncRun, 'matched' | 'existed'>,
): number => maxObjects - Math.max(0, matched - existed)

/** Whether the run has found keys out of order. */
async function hasBrokenOrder(em: EntityManager, run: number): Promise<boolean> {
  const seen = await execute(em, sql`select 1 from sync_key where run_id = ${run} and kind = 'SEEN' limit 1`)
  return seen.length > 0
}

/** What the ranges of an import share. */
export async function openWork(job: Import, signal: AbortSignal): Promise<ShardWork> {
  const { em, run, storage } = job
  const project: Project = await em.fork().findOneOrFail(ProjectEntity, storage.project)
  const limit = createAdaptiveLimit(job.readConcurrency)
  const kind = providers[storage.provider]
  const { bucket } = kind.place(storage.location)
  const { maxObjects } = storage.filters ?? {}
  const { source, appliesFilters, splitsRanges } = policyOf(run.kind)
  const scope = folderScope(storage)
  const remaining =
    maxObjects === undefined || source !== 'SETTINGS' ? undefined : { objects: remainingObjects(maxObjects, run) }
  const provider = retryingProvider(job.provider, { breaker: job.breaker, signal, limit })
  return {
    em,
    run,
    storage,
    project,
    provider,
    limit,
    spoolFolder: job.spoolFolder,
    signal,
    uriBase: { scheme: kind.uriScheme, bucket },
    scope,
    filter: appliesFilters
      ? createObjectFilter(storage, undefined, { isStored: true })
      : ({ key }) => (storage.skipSidecars && isSidecar(key) ? 'SIDECAR' : null),
    remaining,
    splits: Boolean(provider.keyCursor) && storage.recursive && remaining === undefined && splitsRanges,
    source: sourceOf({ em, run, provider, scope, limit }),
    write: createPageWriter(em, sinkOf(run)),
  }
}
