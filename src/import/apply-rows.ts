import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { type ErrorCode, SluiceError } from '../errors.ts'
import { execute } from '../sql.ts'
import { arrayOf } from './array-literal.ts'
import type { JoinableTask } from './join-tasks.ts'
import { compareRows, isLost, matchRows, objectTable, type ReadObject } from './match-rows.ts'
import { createRows, moveLinks, saveObjects, updateTasks } from './move-rows.ts'
import { maxStoredIssues } from './page-statement.ts'
import type { NewIssue, PageTarget } from './page-write.ts'
import { ShardChanged } from './shards.ts'
import { syncLabels } from './sync-labels.ts'

/** What the rows of objects that were read again change, for the counters and issues of the run. */
export interface AppliedRows {
  created: number
  updated: number
  existed: number
  /** The first issues, up to the number that a run stores. */
  issues: NewIssue[]
  /** Number of further issues. */
  furtherIssues: number
  /** Rows that may belong to a task of another object. */
  joinable: JoinableTask[]
}

/**
 * Matches the rows of objects with their links, and writes the differences: new tasks, changed data, positions, versions, and which
 * links have lost their row. Runs in the transaction of `em`, before the statement of the page. It locks the row of the run late,
 * because heartbeats wait for that lock.
 * @throws ShardChanged if another run has written a newer version of an object since `claimedAt`, or if staged rows are lost
 */
export async function applyRows(em: EntityManager, target: PageTarget, objects: ReadObject[]): Promise<AppliedRows> {
  const applied: AppliedRows = nothingApplied()
  for (const batch of distinctKeys(objects)) {
    await matchRows(em, batch, { storage: target.storage, rowKey: target.rowKey, locks: true })
    await refuseIncomplete(em, batch)
    await refuseOvertaken(em, target)
    await compareRows(em)
    await findIssues(em, target, batch, applied)
    if (target.updatesRows) {
      await updateTasks(em)
      await syncLabels(em, labelOptions(em, target, applied, false))
    }
    const updated = target.updatesRows ? await countOf(em, sql`fresh where is_changed`) : 0
    await moveLinks(em, target, batch)
    // Pages lock the run before the project, in which new tasks are numbered.
    await execute(em, sql`select 1 from sync_run where id = ${target.run} for update`)
    applied.created += await createRows(em, target, batch)
    applied.updated += updated
    applied.existed += (await countOf(em, sql`fresh where link_id is not null`)) - updated
    applied.joinable.push(...(await readJoinable(em, batch)))
    await saveObjects(em, target, batch)
    await dropRows(em, batch)
  }
  return applied
}

/** The counters and issues of `applyRows`, for a run that only counts. Records how many rows each object has lost. */
export async function countRows(em: EntityManager, target: PageTarget, objects: ReadObject[]): Promise<AppliedRows> {
  const applied: AppliedRows = nothingApplied()
  for (const batch of distinctKeys(objects)) {
    await matchRows(em, batch, { storage: target.storage, rowKey: target.rowKey, locks: false })
    await refuseIncomplete(em, batch)
    await compareRows(em)
    await findIssues(em, target, batch, applied)
    if (target.updatesRows) await syncLabels(em, labelOptions(em, target, applied, true))
    const updated = target.updatesRows ? await countOf(em, sql`fresh where is_changed`) : 0
    applied.created += await countOf(em, sql`fresh where link_id is null`)
    applied.updated += updated
    applied.existed += (await countOf(em, sql`fresh where link_id is not null`)) - updated
    await execute(
      em,
      sql`insert into sync_key (run_id, kind, key, rows)
       select ${target.run}::bigint, 'SHRUNK', o.key, count(*) from known k join ${objectTable(batch)} using (read_id)
       where ${isLost} group by o.key on conflict do nothing`,
    )
    await dropRows(em, batch)
  }
  return applied
}

async function refuseOvertaken(em: EntityManager, { claimedAt }: PageTarget): Promise<void> {
  const overtaken = await countOf(em, sql`known where is_older and updated_at > ${claimedAt}::timestamptz`)
  if (overtaken > 0) throw new ShardChanged()
}

/** An empty result. */
export const nothingApplied = (): AppliedRows => ({
  created: 0,
  updated: 0,
  existed: 0,
  issues: [],
  furtherIssues: 0,
  joinable: [],
})

/** Adds the issues of rows to `applied`. Removes rows without a usable key from `fresh`; then their objects are not complete. */
async function findIssues(
  em: EntityManager,
  target: PageTarget,
  objects: ReadObject[],
  applied: AppliedRows,
): Promise<void> {
  const add = reporter(em, applied)
  if (target.rowKey !== null) {
    const remove = (where: RawBuilder<unknown>) => sql`
      with removed as (delete from fresh f where ${where} returning f.*)`
    const removed = sql`select o.key, r.row_group, r.row_index from removed r join ${objectTable(objects)} using (read_id)`
    await add('ROW_KEY_MISSING', removed, remove(sql`f.row_key is null`))
    const isRepeated = sql`(f.read_id, f.row_group, f.row_index) in (select read_id, row_group, row_index from (
      select *, row_number() over (partition by read_id, row_key order by row_group, row_index) as n from fresh) r
      where r.n > 1)`
    await add('ROW_KEY_REPEATED', removed, remove(isRepeated))
    await recountComplete(em, objects)
  }
  if (target.reportsChanges) {
    await add(
      'OBJECT_CHANGED',
      sql`select o.key, f.row_group, f.row_index from fresh f join ${objectTable(objects)} using (read_id) where f.is_changed`,
    )
  }
  await add(
    'ROW_CHANGED',
    sql`select o.key, k.row_group, k.row_index from known k join ${objectTable(objects)} using (read_id)
     where ${isLost} and k.is_labeled
       and exists (select 1 from fresh f where f.read_id = k.read_id and f.link_id is null)`,
  )
}

/** Adds the issues of the places that a query returns: key, row_group and row_index. */
const reporter =
  (em: EntityManager, applied: AppliedRows) =>
  async (code: ErrorCode, places: RawBuilder<unknown>, prepare = sql``): Promise<void> => {
    const { message, retryable } = new SluiceError(code)
    const rows = await execute<RowPlace & { total: string }>(
      em,
      sql`${prepare} select p.*, count(*) over () as total from (${places}) as p (key, row_group, row_index)
       order by key, row_group, row_index limit ${maxStoredIssues}`,
    )
    applied.furtherIssues += Number(rows[0]?.total ?? 0) - rows.length
    for (const { key, row_group, row_index } of rows) {
      applied.issues.push({ key, rowGroup: row_group, row: row_index, code, message, retryable })
    }
  }

/** An object with rows that are not imported does not show which rows are gone. */
async function recountComplete(em: EntityManager, objects: ReadObject[]): Promise<void> {
  // A link whose row was removed from `fresh` has no row.
  await execute(
    em,
    sql`update known k set is_matched = false
     where k.is_matched and not exists (select 1 from fresh f where f.link_id = k.id)`,
  )
  for (const object of await withoutAllRows(em, objects)) object.isComplete = false
}

/**
 * `import_row` is not logged, so a crash of the database empties it. Rows that were staged before would then count as gone.
 * @throws ShardChanged; the objects are read again
 */
async function refuseIncomplete(em: EntityManager, objects: ReadObject[]): Promise<void> {
  const complete = objects.filter(({ isComplete }) => isComplete)
  if ((await withoutAllRows(em, complete)).length > 0) throw new ShardChanged()
}

/** The objects that have fewer rows in `fresh` than were read. An object that is one task has one row. */
async function withoutAllRows(em: EntityManager, objects: ReadObject[]): Promise<ReadObject[]> {
  const rows = await execute<{ read_id: string; rows: string }>(
    em,
    sql`select read_id, count(*) as rows from fresh group by read_id`,
  )
  const counts = new Map(rows.map((row) => [row.read_id, Number(row.rows)]))
  return objects.filter(({ read, rows: count }) => (counts.get(read) ?? 0) < Math.abs(count))
}

const labelOptions = (em: EntityManager, { deletesGone }: PageTarget, applied: AppliedRows, countsOnly: boolean) => ({
  deletesGone,
  countsOnly,
  report: reporter(em, applied),
})

interface RowPlace {
  key: string
  row_group: number
  row_index: number
}

async function readJoinable(em: EntityManager, objects: ReadObject[]): Promise<JoinableTask[]> {
  const rows = await execute<RowPlace & { origin: string }>(
    em,
    sql`select o.key, i.row_group, i.row_index, i.origin from import_row i join ${objectTable(objects)} using (read_id)
     where i.origin is not null`,
  )
  return rows.map(({ key, row_group, row_index, origin }) => ({
    object: { key },
    rowGroup: row_group,
    row: row_index,
    origin,
  }))
}

async function dropRows(em: EntityManager, objects: ReadObject[]): Promise<void> {
  await execute(
    em,
    sql`delete from import_row where read_id = any(${arrayOf(objects.map(({ read }) => read))}::uuid[])`,
  )
  await execute(em, sql`drop table fresh, known`)
}

async function countOf(em: EntityManager, from: RawBuilder<unknown>): Promise<number> {
  const [row] = await execute<{ count: string }>(em, sql`select count(*) from ${from}`)
  return Number(row!.count)
}

/** The objects in batches in which every key is unique: a listing without an order can return a key twice. */
function distinctKeys(objects: ReadObject[]): ReadObject[][] {
  const last = new Map(objects.map((object) => [object.object.key, object]))
  if (last.size === objects.length) return [objects]
  const distinct = [...last.values()]
  return [...distinctKeys(objects.filter((object) => !distinct.includes(object))), distinct]
}
