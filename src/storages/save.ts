import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { sealSecrets } from '../connect.ts'
import { ExportLinkEntity } from '../entities/export-link.ts'
import { ImportLinkEntity } from '../entities/import-link.ts'
import { ImportedObjectEntity } from '../entities/imported-object.ts'
import { type Storage, type StorageDirection, StorageEntity } from '../entities/storage.ts'
import { ConflictError, SluiceError, ValidationError } from '../errors.ts'
import { execute } from '../sql.ts'
import { type CheckOptions, checkDraft } from './candidate.ts'
import { ConnectionCheckError } from './check.ts'
import type { Draft, DraftTarget, StorageDeps, StorageInput } from './draft.ts'
import { draftExport, refusalOf } from './export-settings.ts'
import { draftImport } from './import-settings.ts'
import { bucketOf, fingerprintOf, overlap } from './place.ts'

/** The project already has a storage with the same location and filter. */
export class DuplicateStorageError extends SluiceError {
  readonly storageId: number
  constructor(storageId: number, globalId: string) {
    super(
      'DUPLICATE_STORAGE',
      `This location is already connected as the storage ${globalId}. To connect it again, allow duplicates (allowDuplicate).`,
    )
    this.name = 'DuplicateStorageError'
    this.storageId = storageId
  }
}

/** An import storage would list the objects that an export storage of the same project writes, and create tasks from them. */
export class OverlappingStorageError extends SluiceError {
  readonly storageId: number
  constructor({ id, direction }: Pick<Storage, 'id' | 'direction'>, globalId: string) {
    const kind = direction === 'IMPORT' ? 'import storage' : 'export storage'
    super(
      'OVERLAPPING_STORAGE',
      `The location overlaps that of the ${kind} ${globalId}: exports would be imported as tasks. Choose another prefix, or allow the overlap (allowOverlap).`,
    )
    this.name = 'OverlappingStorageError'
    this.storageId = id
  }
}

/** A run that is queued or in progress uses what would change. */
export class ActiveRunsError extends ConflictError {
  readonly runs: number[]
  constructor(runs: number[], globalId: StorageDeps['globalId']) {
    const names = runs.map((id) => globalId('SyncRun', id)).join(', ')
    super(
      `A run of this storage is queued or in progress (${names}), and this changes its location, a filter or its method. Wait until it has ended, cancel it, or set cancelRunning.`,
    )
    this.runs = runs
  }
}

/** Options that override checks. */
export interface SaveOptions extends CheckOptions {
  skipCheck?: boolean | null | undefined
  allowDuplicate?: boolean | null | undefined
  allowOverlap?: boolean | null | undefined
}

/**
 * Creates an import storage, or changes one (`id`). It first validates the input, checks the connection, and refuses duplicates
 * and overlaps with export storages. The connection is not checked with `skipCheck`, or if the storage is paused and keeps its
 * location.
 * @throws ValidationError, NotFoundError, DuplicateStorageError, OverlappingStorageError, ConnectionCheckError; ActiveRunsError if
 * the location, a filter or the method would change while a run is queued or in progress; ConflictError IMPORT_METHOD_IN_USE if the
 * import method of a storage with links would change. Nothing is changed in these cases.
 */
export async function saveImportStorage(
  parts: StorageDeps,
  target: DraftTarget,
  input: StorageInput,
  options: SaveOptions,
): Promise<Storage> {
  return save(parts, target, { draft: await draftImport(parts, target, input), options })
}

/** The same for an export storage. @throws as `saveImportStorage` */
export async function saveExportStorage(
  parts: StorageDeps,
  target: DraftTarget,
  input: StorageInput,
  options: SaveOptions,
): Promise<Storage> {
  const draft = await draftExport(parts, target, input)
  const refused = options.skipCheck && refusalOf(draft)
  if (refused) throw new ValidationError([{ path: 'input.location', message: refused.message }])
  return save(parts, target, { draft, options })
}

async function save(
  parts: StorageDeps,
  target: DraftTarget,
  { draft, options }: { draft: Draft; options: SaveOptions },
): Promise<Storage> {
  // A user may pause a storage because its connection does not work, so the check must not prevent that.
  const isPaused = !draft.synchronizable && draft.sealed !== undefined
  if (!options.skipCheck && !isPaused) {
    const steps = await checkDraft(parts, draft, options)
    if (steps.some((step) => step.status === 'FAILED')) throw new ConnectionCheckError(steps)
  }
  return parts.em.fork().transactional(async (tx) => {
    // Without the lock, two concurrent requests could create the same storage twice.
    await execute(tx, sql`select pg_advisory_xact_lock(hashtext('sluice storages'), ${draft.project})`)
    const stored = 'id' in target ? await tx.findOneOrFail(StorageEntity, target.id) : undefined
    await assertNotConnected(tx, stored, { draft, options, globalId: parts.globalId })
    if (stored) await assertMethodIsFree(tx, stored, draft)
    const { readSecrets, sealed, ...columns } = draft
    // The id is needed before the insert, because the secrets are sealed with it.
    const row = stored ?? tx.create(StorageEntity, { ...columns, id: await nextId(tx) })
    const version = stored && (await lockStorage(tx, stored.id))
    const hasOtherBucket = stored !== undefined && bucketOf(stored) !== bucketOf(draft)
    Object.assign(row, columns)
    row.secrets = sealed === undefined ? sealSecrets(parts.sealer, readSecrets(), row) : sealed
    await tx.persist(row).flush()
    if (version !== undefined) {
      await assertNoRunUses(tx, { id: row.id, version }, parts.globalId)
      // The same key in another bucket is another object.
      if (hasOtherBucket) await deleteLinks(tx, row.id)
      // Exports that failed before may work with the new settings, so they are retried now.
      await execute(tx, sql`update outbox set due_at = now() where storage_id = ${row.id} and lease is null`)
      await execute(tx, sql`update storage set drain_at = null where id = ${row.id}`)
      // Reservations made under the old limits would delay requests that the new limits allow.
      await execute(tx, sql`delete from storage_budget where storage_id = ${row.id}`)
    }
    return row
  })
}

/**
 * Locks a storage and its active runs until the end of the transaction, and returns its version. It waits for other saves, for exports
 * that commit their results, and for pages that imports write. Changes of runs lock in the same order: the run, then the storage.
 */
async function lockStorage(tx: EntityManager, id: number): Promise<number> {
  await execute(tx, sql`select id from sync_run where ${isActiveOf(id)} order by id for update`)
  const [row] = await execute<{ version: number }>(tx, sql`select version from storage where id = ${id} for update`)
  return row!.version
}

/** @throws ActiveRunsError if the version has grown and the storage has active runs */
async function assertNoRunUses(
  tx: EntityManager,
  { id, version }: { id: number; version: number },
  globalId: StorageDeps['globalId'],
): Promise<void> {
  const [changed] = await execute(tx, sql`select 1 from storage where id = ${id} and version <> ${version}`)
  if (!changed) return
  const runs = await execute<{ id: string }>(tx, sql`select id from sync_run where ${isActiveOf(id)} order by id`)
  if (runs.length > 0)
    throw new ActiveRunsError(
      runs.map((run) => Number(run.id)),
      globalId,
    )
}

const isActiveOf = (storage: number) => sql`storage_id = ${storage} and status in ('QUEUED', 'IN_PROGRESS')`

async function nextId(tx: EntityManager): Promise<number> {
  const [row] = await execute<{ id: string }>(tx, sql`select nextval(pg_get_serial_sequence('storage', 'id')) as id`)
  return Number(row!.id)
}

/** What was allowed before stays allowed while it does not change. @throws DuplicateStorageError, OverlappingStorageError */
async function assertNotConnected(
  tx: EntityManager,
  stored: Storage | undefined,
  { draft, options, globalId }: { draft: Draft; options: SaveOptions; globalId: StorageDeps['globalId'] },
): Promise<void> {
  const { project, direction, fingerprint } = draft
  const duplicate =
    !options.allowDuplicate &&
    stored?.fingerprint !== fingerprint &&
    (await tx.findOne(StorageEntity, { project, fingerprint }))
  if (duplicate) throw new DuplicateStorageError(duplicate.id, globalId(typeOf(direction), duplicate.id))
  const place = (one: Pick<Storage, 'provider' | 'location'>) => fingerprintOf(direction, one, null)
  if (options.allowOverlap || (stored && place(stored) === place(draft))) return
  const opposite = direction === 'IMPORT' ? 'EXPORT' : 'IMPORT'
  const others = await tx.find(StorageEntity, { project, direction: opposite, provider: draft.provider })
  const overlapping = others.find((other) => (direction === 'IMPORT' ? overlap(draft, other) : overlap(other, draft)))
  if (overlapping) throw new OverlappingStorageError(overlapping, globalId(typeOf(opposite), overlapping.id))
}

/** Links name rows or whole objects. With the other method they would stay, and no object would be read. @throws ConflictError */
async function assertMethodIsFree(tx: EntityManager, stored: Storage, draft: Draft): Promise<void> {
  const { importMethod } = draft
  if (importMethod === undefined || importMethod === stored.importMethod) return
  // The links to another bucket are deleted.
  if (bucketOf(stored) !== bucketOf(draft)) return
  const linked = await execute(tx, sql`select 1 from import_link where storage_id = ${stored.id} limit 1`)
  if (linked.length === 0) return
  throw new ConflictError(
    `The storage has links to tasks that it imported with the import method ${stored.importMethod}. Create another storage for the location (allowDuplicate) with ${importMethod}; then this one can be deleted, which leaves its tasks. Or delete its tasks (deleteTasks), and change it then.`,
    'IMPORT_METHOD_IN_USE',
  )
}

const typeOf = (direction: StorageDirection) => (direction === 'IMPORT' ? 'ImportStorage' : 'ExportStorage')

/** Deletes the links to objects of the old bucket. Exports in progress lose their lease and are repeated in the new bucket. */
async function deleteLinks(tx: EntityManager, storage: number): Promise<void> {
  for (const links of [ImportLinkEntity, ImportedObjectEntity, ExportLinkEntity]) {
    await tx.nativeDelete(links as typeof ExportLinkEntity, { storage })
  }
  await execute(
    tx,
    sql`update outbox set lease = null, key = null, version = version + 1 where storage_id = ${storage}`,
  )
}
