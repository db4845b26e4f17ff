import type { EntityManager } from '@mikro-orm/postgresql'
import type { Event } from '../entities/event.ts'
import { sql } from '../sql.ts'

/** Channel on which PostgreSQL tells every process that the log has grown. */
export const eventChannel = 'sluice_events'

/** How long, and how many, events are kept: a subscriber that was away longer cannot continue where it was. */
export const kept = { hours: 24, progressMinutes: 15, count: 1_000_000 }

/** A line of the log as it goes through the process. */
export type LoggedEvent = Pick<Event, 'id' | 'kind' | 'project' | 'storage' | 'run' | 'payload'> & { createdAt: Date }

/** What a reader of the log wants to see; an absent part means any. */
export interface EventFilter {
  project?: number | undefined
  storage?: number | undefined
  run?: number | undefined
}

/**
 * Writes what the run's row holds now into the log, inside the transaction of `em`, and wakes all processes at its commit.
 * Must be the transaction's last statement: from here to the commit all writers of events wait for each other, which makes
 * the order of ids the order of commits, so that a reader who has seen id n will never find a smaller one later.
 */
export async function recordEvent(em: EntityManager, kind: Event['kind'], runId: number): Promise<void> {
  await sql(
    em,
    `with turn as materialized (select pg_advisory_xact_lock(hashtext('${eventChannel}'))),
     added as (
       insert into event (kind, project, storage, run, payload)
       select $1, s.project_id, s.id, r.id, to_jsonb(r)
       from turn, sync_run r join storage s on s.id = r.storage_id where r.id = $2
       returning id)
     select pg_notify('${eventChannel}', id::text) from added`,
    [kind, runId],
  )
}

/** Events behind `after`, oldest first, at most `limit`. */
export async function readEvents(
  em: EntityManager,
  after: number,
  filter: EventFilter = {},
  limit = 1_000,
): Promise<LoggedEvent[]> {
  const rows = await sql<Record<keyof LoggedEvent, unknown>>(
    em,
    `select id, kind, project, storage, run, payload, created_at as "createdAt" from event
     where id > $1 and ($2::bigint is null or project = $2) and ($3::bigint is null or storage = $3)
       and ($4::bigint is null or run = $4)
     order by id limit $5`,
    [after, filter.project ?? null, filter.storage ?? null, filter.run ?? null, limit],
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

/** The highest id of the log as seen by the transaction of `em`; 0 when it is empty. */
export async function lastEventId(em: EntityManager): Promise<number> {
  const [row] = await sql<{ last: string | null }>(em, 'select max(id) as last from event')
  return Number(row?.last ?? 0)
}

/** The lowest id of the log; 0 when it is empty. */
export async function firstEventId(em: EntityManager): Promise<number> {
  const [row] = await sql<{ first: string | null }>(em, 'select min(id) as first from event')
  return Number(row?.first ?? 0)
}

/**
 * Drops what is older than the log is kept, progress that is a while old and that a later event of its run replaces, and
 * the oldest of what is then still too much; but never the newest event, whose id readers continue from.
 */
export async function pruneEvents(em: EntityManager, { hours, progressMinutes, count } = kept): Promise<void> {
  await sql(
    em,
    `delete from event where created_at < now() - make_interval(hours => $1) and id < (select max(id) from event)`,
    [hours],
  )
  await sql(
    em,
    `delete from event old where kind = 'PROGRESS' and created_at < now() - make_interval(mins => $1)
       and exists (select 1 from event e where e.project = old.project and e.run = old.run and e.id > old.id)`,
    [progressMinutes],
  )
  await sql(em, 'delete from event where id <= (select id from event order by id desc offset $1 limit 1)', [count])
}
