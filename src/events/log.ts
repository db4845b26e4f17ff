import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Event } from '../entities/event.ts'
import { execute } from '../sql.ts'

/** PostgreSQL notifies every process on this channel when the log has grown. */
export const eventChannel = 'sluice_events'

/** How long, and how many, events are retained. A subscriber that was away longer cannot continue at its cursor. */
export const retention = { hours: 24, progressMinutes: 15, count: 1_000_000 }

/** An event as it was read from the log. */
export type LoggedEvent = Pick<Event, 'id' | 'kind' | 'project' | 'storage' | 'run' | 'payload'> & { createdAt: Date }

/** Selects events; an absent field matches all. */
export interface EventFilter {
  project?: number | undefined
  storage?: number | undefined
  run?: number | undefined
}

/**
 * Appends the present state of the run to the log, in the transaction of `em`, and notifies all processes at its commit.
 * It must be the last statement of the transaction: until the commit, other writers of events wait. So ids are in the order of
 * commits, and a reader that has seen id n never finds a smaller one later.
 */
export async function recordEvent(em: EntityManager, kind: Event['kind'], runId: number): Promise<void> {
  await execute(
    em,
    sql`with turn as materialized (select pg_advisory_xact_lock(hashtext(${eventChannel}))),
     added as (
       insert into event (kind, project, storage, run, payload)
       select ${kind}, s.project_id, s.id, r.id, to_jsonb(r)
       from turn, sync_run r join storage s on s.id = r.storage_id where r.id = ${runId}
       returning id)
     select pg_notify(${eventChannel}, id::text) from added`,
  )
}

/** Events after the id `after`, oldest first, at most `limit`. */
export async function readEvents(
  em: EntityManager,
  after: number,
  filter: EventFilter = {},
  limit = 1_000,
): Promise<LoggedEvent[]> {
  const { project = null, storage = null, run = null } = filter
  const rows = await execute(
    em,
    sql<
      Record<keyof LoggedEvent, unknown>
    >`select id, kind, project, storage, run, payload, created_at as "createdAt" from event
     where id > ${after} and (${project}::bigint is null or project = ${project}::bigint) and (${storage}::bigint is null or storage = ${storage}::bigint)
       and (${run}::bigint is null or run = ${run}::bigint)
     order by id limit ${limit}`,
  )
  return rows.map((row) => ({
    id: Number(row.id),
    kind: row.kind as LoggedEvent['kind'],
    project: Number(row.project),
    storage: Number(row.storage),
    run: Number(row.run),
    payload: row.payload as Record<string, unknown>,
    createdAt: new Date(row.createdAt as string),
  }))
}

/** The highest id in the log, as the transaction of `em` sees it; 0 if the log is empty. */
export async function lastEventId(em: EntityManager): Promise<number> {
  const [row] = await execute(em, sql<{ last: string | null }>`select max(id) as last from event`)
  return Number(row?.last ?? 0)
}

/** The lowest id in the log; 0 if the log is empty. */
export async function firstEventId(em: EntityManager): Promise<number> {
  const [row] = await execute(em, sql<{ first: string | null }>`select min(id) as first from event`)
  return Number(row?.first ?? 0)
}

/**
 * Deletes events that are older than the retention, older progress that a later event of its run replaces, and the oldest
 * events above the maximum count. The newest event always stays, because readers continue from its id.
 */
export async function pruneEvents(em: EntityManager, { hours, progressMinutes, count } = retention): Promise<void> {
  await execute(
    em,
    sql`delete from event where created_at < now() - make_interval(hours => ${hours}) and id < (select max(id) from event)`,
  )
  await execute(
    em,
    sql`delete from event old where kind = 'PROGRESS' and created_at < now() - make_interval(mins => ${progressMinutes})
       and exists (select 1 from event e where e.project = old.project and e.run = old.run and e.id > old.id)`,
  )
  await execute(em, sql`delete from event where id <= (select id from event order by id desc offset ${count} limit 1)`)
}
