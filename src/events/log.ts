import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Event, Subject, SubjectType } from '../entities/event.ts'
import { execute } from '../sql.ts'
import { subjectRows } from './subjects.ts'

/** PostgreSQL notifies every process on this channel when the log has grown. */
export const eventChannel = 'sluice_events'

/** How long, and how many, events are retained. A subscriber that was away longer cannot continue at its cursor. */
export const retention = { hours: 24, progressMinutes: 15, count: 1_000_000 }

/** An event as it was read from the log. */
export interface LoggedEvent {
  id: number
  kind: Event['kind']
  project: number
  /** Id of the storage: the subject itself, or the storage that the subject belongs to. Null for other subjects. */
  storage: number | null
  subject: Subject
  payload: Record<string, unknown>
  createdAt: Date
}

/** Selects events; an absent field matches all. A subject without `id` matches all subjects of its type. */
export interface EventFilter {
  project?: number | undefined
  storage?: number | undefined
  subject?: { type: SubjectType; id?: number } | undefined
}

/** Whether the filter selects the event. */
export function matches({ project, storage, subject }: EventFilter, event: LoggedEvent): boolean {
  if (project !== undefined && event.project !== project) return false
  if (storage !== undefined && event.storage !== storage) return false
  if (subject === undefined) return true
  return event.subject.type === subject.type && (subject.id === undefined || event.subject.id === subject.id)
}

/** Whether two events are about the same subject. */
export function haveSameSubject({ subject: a }: LoggedEvent, { subject: b }: LoggedEvent): boolean {
  return a.id === b.id && a.type === b.type
}

/**
 * Appends the present state of the subject to the log, in the transaction of `em`, and notifies all processes at its commit.
 * A subject that does not exist has no event.
 * It must be the last statement of the transaction: until the commit, other writers of events wait. So ids are in the order of
 * commits, and a reader that has seen id n never finds a smaller one later.
 */
export async function recordEvent(em: EntityManager, kind: Event['kind'], { type, id }: Subject): Promise<void> {
  await execute(
    em,
    sql`with turn as materialized (select pg_advisory_xact_lock(hashtext(${eventChannel}))),
     added as (
       insert into event (kind, project, storage, subject_type, subject_id, run, payload)
       select ${kind}, s.project, s.storage, ${type}, s.id, ${type === 'RUN' ? id : null}::bigint, s.payload
       from turn, (${subjectRows[type]}) s where s.id = ${id}
       returning id)
     select pg_notify(${eventChannel}, id::text) from added`,
  )
}

/** SQL: the id of the subject of `event`. See migration 0024. */
const subjectIdOf = (event: string) => sql`coalesce(${sql.ref(event)}.subject_id, ${sql.ref(event)}.run)`

/** Events after the id `after`, oldest first, at most `limit`. */
export async function readEvents(
  em: EntityManager,
  after: number,
  { project, storage, subject }: EventFilter = {},
  limit = 1_000,
): Promise<LoggedEvent[]> {
  const conditions = [sql`id > ${after}`]
  if (project !== undefined) conditions.push(sql`project = ${project}`)
  if (storage !== undefined) conditions.push(sql`storage = ${storage}`)
  if (subject !== undefined) conditions.push(sql`subject_type = ${subject.type}`)
  if (subject?.id !== undefined) conditions.push(sql`${subjectIdOf('event')} = ${subject.id}`)
  const rows = await execute(
    em,
    sql<Record<string, unknown>>`
select id, kind, project, storage, subject_type, ${subjectIdOf('event')} as subject_id, payload, created_at from event
where ${sql.join(conditions, sql` and `)} order by id limit ${limit}`,
  )
  return rows.map((row) => ({
    id: Number(row.id),
    kind: row.kind as LoggedEvent['kind'],
    project: Number(row.project),
    storage: row.storage === null ? null : Number(row.storage),
    subject: { type: row.subject_type as SubjectType, id: Number(row.subject_id) },
    payload: row.payload as Record<string, unknown>,
    createdAt: new Date(row.created_at as string),
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
 * Deletes events that are older than the retention, older progress that a later event of its subject replaces, and the oldest
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
       and exists (select 1 from event e where e.project = old.project and e.id > old.id
         and e.subject_type = old.subject_type and ${subjectIdOf('e')} = ${subjectIdOf('old')})`,
  )
  await execute(em, sql`delete from event where id <= (select id from event order by id desc offset ${count} limit 1)`)
}
