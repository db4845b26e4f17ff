import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { execute } from '../sql.ts'
import { addressOf, folderScope } from './place.ts'

// Tables whose rows belong to a storage and are useless without it.
const owned = ['sync_run', 'sync_schedule', 'url_mapping', 'webhook_cursor', 'storage_budget', 'outbox'] as const

/** Detaches a storage: erases its secrets, runs and schedule, and leaves its links. */
export async function detachStorage(tx: EntityManager, id: number): Promise<void> {
  for (const table of owned) await execute(tx, sql`delete from ${sql.table(table)} where storage_id = ${id}`)
  await execute(
    tx,
    sql`update storage set detached_at = now(), secrets = null, fingerprint = '', last_run = null, synchronizable = false
     where id = ${id}`,
  )
}

/** The detached storages of the project at the same place, with the same import method. */
async function findDetached(em: EntityManager, storage: Storage): Promise<Storage[]> {
  const detached = await em.fork().find(
    StorageEntity,
    {
      project: storage.project,
      provider: storage.provider,
      importMethod: storage.importMethod,
      detachedAt: { $ne: null },
    },
    { filters: false, orderBy: { id: 'asc' } },
  )
  const { endpoint, bucket } = addressOf(storage)
  return detached.filter((other) => {
    const address = addressOf(other)
    return address.endpoint === endpoint && address.bucket === bucket
  })
}

/** SQL condition on the table or alias: a listing of the storage can return its key. */
function isListable(storage: Storage, table: string) {
  const { prefix, recursive } = folderScope(storage)
  const key = sql`${sql.id(table)}.key`
  const rest = sql`substr(${key}, length(${prefix}) + 1)`
  return sql`(starts_with(${key}, ${prefix}) and (${recursive}::bool or position('/' in ${rest}) = 0))`
}

/** Number of tasks of deleted storages at the same place, which the next sync adopts instead of importing their objects again. */
export async function countAdoptable(em: EntityManager, storage: Storage): Promise<number> {
  const detached = await findDetached(em, storage)
  if (detached.length === 0) return 0
  const [row] = await execute<{ count: string }>(
    em,
    sql`select count(distinct l.task_id) as count from import_link l
     where l.storage_id = any(${detached.map(({ id }) => id)}::bigint[]) and ${isListable(storage, 'l')}`,
  )
  return Number(row!.count)
}

const pageSize = 5_000

interface Adopting {
  storage: Storage
  /** Locks the run in a transaction, and rejects if it may not write. */
  lock: (tx: EntityManager) => Promise<void>
  signal: AbortSignal
}

/**
 * Gives the storage the links of detached storages at the same place, page by page, unless it has a link to the same row already. A
 * detached storage without links is deleted. Adopted links were announced to webhooks before. After a crash, it continues.
 * @throws what `lock` throws; the signal's reason
 */
export async function adoptLinks(em: EntityManager, { storage, lock, signal }: Adopting): Promise<void> {
  for (const { id } of await findDetached(em, storage)) {
    const [adoptable] = await execute(
      em,
      sql`select 1 where exists (select 1 from import_link l where l.storage_id = ${id} and ${isListable(storage, 'l')})
         or exists (select 1 from imported_object o where o.storage_id = ${id} and ${isListable(storage, 'o')})
         or not exists (select 1 from import_link l where l.storage_id = ${id})`,
    )
    if (!adoptable) continue
    for (let after: string | undefined = '0'; after !== undefined; ) {
      signal.throwIfAborted()
      after = await em.fork().transactional((tx) => adoptPage(tx, { from: id, storage, lock, after: after! }))
    }
    await em.fork().transactional(async (tx) => {
      await lock(tx)
      await execute(
        tx,
        sql`update imported_object t set storage_id = ${storage.id}
         where t.storage_id = ${id} and ${isListable(storage, 't')} and not exists (
           select 1 from imported_object o where o.storage_id = ${storage.id} and o.key = t.key)`,
      )
      await execute(
        tx,
        sql`update task_origin t set storage_id = ${storage.id}
         where t.storage_id = ${id}
           and exists (select 1 from import_link l where l.task_id = t.task_id and l.storage_id = ${storage.id})
           and not exists (select 1 from task_origin o where o.storage_id = ${storage.id} and o.origin = t.origin)`,
      )
      await execute(
        tx,
        sql`delete from storage s where s.id = ${id} and not exists (select 1 from import_link l where l.storage_id = s.id)`,
      )
    })
  }
}

/** Adopts the next links after the id `after`. Returns the last id, or undefined if no more follow. */
async function adoptPage(
  tx: EntityManager,
  { from, storage, lock, after }: Omit<Adopting, 'signal'> & { from: number; after: string },
): Promise<string | undefined> {
  const rows = await execute<{ id: string }>(
    tx,
    sql`select id from import_link where storage_id = ${from} and id > ${after} order by id limit ${pageSize} for update`,
  )
  await lock(tx)
  const ids = rows.map(({ id }) => id)
  // The condition on the other link is that of its partial unique index.
  const adopted: string[] = []
  for (const operator of [sql`=`, sql`<>`]) {
    const isKind = (link: string) => sql`${sql.id(link)}.row_index ${operator} -1`
    const links = await execute<{ id: string }>(
      tx,
      sql`update import_link l set storage_id = ${storage.id}
       where l.id = any(${ids}::bigint[]) and ${isKind('l')} and ${isListable(storage, 'l')} and not exists (
         select 1 from import_link o where o.storage_id = ${storage.id} and o.key = l.key
           and o.row_group = l.row_group and o.row_index = l.row_index and ${isKind('o')})
       returning l.id`,
    )
    adopted.push(...links.map(({ id }) => id))
  }
  // These tasks were announced before.
  if (adopted.length > 0) {
    await execute(
      tx,
      sql`insert into webhook_cursor (webhook_id, storage_id, last_link)
       select w.id, ${storage.id}, (select max(a.id) from unnest(${adopted}::bigint[]) as a (id))
       from webhook w where w.project_id = ${storage.project}
       on conflict (webhook_id, storage_id) do update set last_link = greatest(webhook_cursor.last_link, excluded.last_link)`,
    )
  }
  return rows.length < pageSize ? undefined : rows.at(-1)!.id
}
