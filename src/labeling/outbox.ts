import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { execute } from '../sql.ts'

// People often save several times in a row; one write is enough for all.
const gatherSeconds = 1

/**
 * Queues, in the transaction of the save, exports of these annotations to every export storage of their project with `autoExport`. An
 * annotation (in TASK format, a task) that is queued already keeps its position; its version grows, so that a write in progress
 * does not count as a write of the new state.
 */
export async function queueExports(tx: EntityManager, annotations: number[]): Promise<void> {
  await execute(
    tx,
    sql`with ${targetsOf(annotations, sql`s.auto_export`)}
     insert into outbox (storage_id, kind, subject, due_at)
     select distinct s.id, s.export_format, case s.export_format when 'TASK' then t.id else a.id end,
       now() + make_interval(secs => ${gatherSeconds})
     from annotation a
     join task t on t.id = a.task_id
     join target s on s.project_id = t.project_id
     where a.id = any(${annotations}::bigint[])
     order by 1, 3
     on conflict (storage_id, kind, subject) do update set version = outbox.version + 1`,
  )
}

/**
 * Queues, in the transaction that deletes these annotations, the removal of their objects (in TASK format: a write without them) from
 * every export storage with `canDeleteObjects`.
 */
export async function queueRemovals(tx: EntityManager, annotations: number[]): Promise<void> {
  await execute(
    tx,
    sql`with ${targetsOf(annotations, sql`s.can_delete_objects`)},
     gone as (
       select s.id as storage, s.export_format as kind, case s.export_format when 'TASK' then t.id else a.id end as subject,
         (select l.key from export_link l where l.storage_id = s.id and l.annotation_id = a.id) as key
       from annotation a
       join task t on t.id = a.task_id
       join target s on s.project_id = t.project_id
       where a.id = any(${annotations}::bigint[]))
     insert into outbox (storage_id, kind, subject, key)
     select g.storage, g.kind, g.subject, max(g.key) from gone g
     left join outbox o on o.storage_id = g.storage and o.kind = g.kind and o.subject = g.subject
     group by g.storage, g.kind, g.subject
     having max(g.key) is not null or max(o.id) is not null
     order by 1, 3
     on conflict (storage_id, kind, subject) do update
     set version = outbox.version + 1, key = coalesce(outbox.key, excluded.key)`,
  )
}

/** The export storages for the annotations, locked against deletion until the commit. */
const targetsOf = (annotations: number[], condition: RawBuilder<unknown>) => sql`target as materialized (
       select s.id, s.project_id, s.export_format from storage s
       where s.direction = 'EXPORT' and ${condition} and s.project_id in (
         select t.project_id from annotation a join task t on t.id = a.task_id where a.id = any(${annotations}::bigint[]))
       for key share)`
