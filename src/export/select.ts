import type { EntityManager } from '@mikro-orm/postgresql'
import { policyOf } from '../entities/run-policies.ts'
import type { ExportFormat, Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { sql } from '../sql.ts'

/** Annotations (in TASK format: tasks) to export, each with the cursor after it. */
export interface Selection {
  subjects: { id: number; cursor: string }[]
  /** Cursor of the next page; null after the last page. */
  next: string | null
}

interface Selecting {
  run: SyncRun
  storage: Pick<Storage, 'id' | 'project'> & { exportFormat: ExportFormat }
}

const pageSize = 1_000

/** The page of the run's subjects after `cursor`, by keyset: stable while annotations are added and deleted. */
export async function selectPage(
  em: EntityManager,
  { run, storage }: Selecting,
  cursor: string | null,
): Promise<Selection> {
  const { source } = policyOf(run.kind)
  if (source === 'CHOICE') return byId(em, chosen[storage.exportFormat], run.id, cursor)
  if (source === 'FAILURES') return byId(em, failed, run.retryOf!, cursor)
  return byTask(em, { run, storage }, cursor)
}

async function byId(em: EntityManager, text: string, run: number, cursor: string | null): Promise<Selection> {
  const rows = await sql<{ id: string }>(em, text, [run, cursor ?? '0', pageSize])
  const subjects = rows.map(({ id }) => ({ id: Number(id), cursor: id }))
  return { subjects, next: subjects.length < pageSize ? null : subjects.at(-1)!.cursor }
}

/** Ordered by task, then by annotation, as the index is. */
async function byTask(em: EntityManager, { run, storage }: Selecting, cursor: string | null): Promise<Selection> {
  const [innerId, annotation] = (cursor ?? '0:0').split(':')
  const [row] = await sql<{ upto: string | null; subjects: [inner: number, id: number][] }>(
    em,
    alongTasks[storage.exportFormat],
    [storage.project, innerId, annotation, run.exportScope === 'NEW', storage.id, pageSize],
  )
  if (!row || row.upto === null) return { subjects: [], next: null }
  const subjects = row.subjects.map(([inner, id]) => ({
    id,
    cursor: storage.exportFormat === 'TASK' ? `${inner + 1}:0` : `${inner}:${id}`,
  }))
  return { subjects, next: subjects.length < pageSize ? `${Number(row.upto) + 1}:0` : subjects.at(-1)!.cursor }
}

const isNew =
  '(not $4::bool or not exists (select 1 from export_link l where l.storage_id = $5 and l.annotation_id = a.id))'

const pageOf = (subjects: string) => `
with block as materialized (
  select id, inner_id from task where project_id = $1 and inner_id >= $2::bigint order by inner_id limit 1000),
subject as (${subjects} order by 1, 2 limit $6)
select (select max(inner_id) from block) as upto,
  coalesce((select json_agg(json_build_array(s.inner_id, s.id) order by s.inner_id, s.id) from subject s), '[]') as subjects`

const alongTasks: Record<ExportFormat, string> = {
  ANNOTATION: pageOf(`
  select b.inner_id, a.id from block b join annotation a on a.task_id = b.id
  where (b.inner_id, a.id) > ($2::bigint, $3::bigint) and ${isNew}`),
  TASK: pageOf(`
  select b.inner_id, b.id from block b
  where $3::bigint = 0 and exists (select 1 from annotation a where a.task_id = b.id and ${isNew})`),
}

const chosen: Record<ExportFormat, string> = {
  ANNOTATION: `
select annotation as id from chosen_annotation where run_id = $1 and annotation > $2::bigint order by 1 limit $3`,
  TASK: `
select distinct a.task_id as id from chosen_annotation c join annotation a on a.id = c.annotation
where c.run_id = $1 and a.task_id > $2::bigint order by 1 limit $3`,
}

const failed = `
select distinct coalesce(annotation, task) as id from sync_issue
where run_id = $1 and coalesce(annotation, task) > $2::bigint order by 1 limit $3`
