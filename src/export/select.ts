import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { policyOf } from '../entities/run-policies.ts'
import type { ExportFormat, Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { execute } from '../sql.ts'

/** Annotations (in TASK format: tasks) to export, each with the cursor after it. */
export interface Selection {
  subjects: { id: number; cursor: string }[]
  /** Cursor of the next page; null after the last page. */
  next: string | null
}

interface SelectOptions {
  run: SyncRun
  storage: Pick<Storage, 'id' | 'project'> & { exportFormat: ExportFormat }
}

const pageSize = 1_000

/** The page of the run's subjects after `cursor`, by keyset: stable while annotations are added and deleted. */
export async function selectPage(
  em: EntityManager,
  { run, storage }: SelectOptions,
  cursor: string | null,
): Promise<Selection> {
  const { source } = policyOf(run.kind)
  if (source === 'CHOICE') return byId(em, chosen[storage.exportFormat](run.id, cursor ?? '0'))
  if (source === 'FAILURES') return byId(em, failed(run.retryOf!, cursor ?? '0'))
  return byTask(em, { run, storage }, cursor)
}

async function byId(em: EntityManager, page: RawBuilder<{ id: string }>): Promise<Selection> {
  const rows = await execute(em, page)
  const subjects = rows.map(({ id }) => ({ id: Number(id), cursor: id }))
  return { subjects, next: subjects.length < pageSize ? null : subjects.at(-1)!.cursor }
}

interface TaskPage {
  upto: string | null
  subjects: [inner: number, id: number][]
}

/** Ordered by task, then by annotation, as the index is. */
async function byTask(em: EntityManager, { run, storage }: SelectOptions, cursor: string | null): Promise<Selection> {
  const [innerId = '0', annotation = '0'] = cursor?.split(':') ?? []
  const matches = run.exportScope === 'NEW' ? hasNoLink(storage.id) : sql<SqlBool>`true`
  const page = sql<TaskPage>`
with block as materialized (
  select id, inner_id from task
  where project_id = ${storage.project} and inner_id >= ${innerId}::bigint order by inner_id limit 1000),
subject as (${subjectsOf[storage.exportFormat]({ innerId, annotation }, matches)} order by 1, 2 limit ${pageSize})
select (select max(inner_id) from block) as upto,
  coalesce((select json_agg(json_build_array(s.inner_id, s.id) order by s.inner_id, s.id) from subject s), '[]') as subjects`
  const [row] = await execute(em, page)
  if (!row || row.upto === null) return { subjects: [], next: null }
  const subjects = row.subjects.map(([inner, id]) => ({
    id,
    cursor: storage.exportFormat === 'TASK' ? `${inner + 1}:0` : `${inner}:${id}`,
  }))
  return { subjects, next: subjects.length < pageSize ? `${Number(row.upto) + 1}:0` : subjects.at(-1)!.cursor }
}

/** The storage has no object with the annotation `a`. */
const hasNoLink = (storage: number): RawBuilder<SqlBool> =>
  sql`not exists (select 1 from export_link l where l.storage_id = ${storage} and l.annotation_id = a.id)`

type Place = Record<'innerId' | 'annotation', string>

/** The subjects of the tasks in `block` after a place, of which an annotation `a` matches. */
const subjectsOf: Record<ExportFormat, (after: Place, matches: RawBuilder<SqlBool>) => RawBuilder<unknown>> = {
  ANNOTATION: ({ innerId, annotation }, matches) => sql`
  select b.inner_id, a.id from block b join annotation a on a.task_id = b.id
  where (b.inner_id, a.id) > (${innerId}::bigint, ${annotation}::bigint) and ${matches}`,
  TASK: ({ annotation }, matches) => sql`
  select b.inner_id, b.id from block b
  where ${annotation}::bigint = 0 and exists (select 1 from annotation a where a.task_id = b.id and ${matches})`,
}

type IdPage = (run: number, after: string) => RawBuilder<{ id: string }>

const chosen: Record<ExportFormat, IdPage> = {
  ANNOTATION: (run, after) => sql`
select annotation as id from chosen_annotation
where run_id = ${run} and annotation > ${after}::bigint order by 1 limit ${pageSize}`,
  TASK: (run, after) => sql`
select distinct a.task_id as id from chosen_annotation c join annotation a on a.id = c.annotation
where c.run_id = ${run} and a.task_id > ${after}::bigint order by 1 limit ${pageSize}`,
}

const failed: IdPage = (run, after) => sql`
select distinct coalesce(annotation, task) as id from sync_issue
where run_id = ${run} and coalesce(annotation, task) > ${after}::bigint order by 1 limit ${pageSize}`
