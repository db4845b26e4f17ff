import { type RawBuilder, sql } from 'kysely'
import type { Subject, SubjectType } from '../entities/event.ts'

/** A subject in the database. `payload` has no secrets, and no data that can be large. */
export interface SubjectRow {
  id: string
  project: string
  storage: string | null
  payload: Record<string, unknown>
}

/** Where subjects of each type are. A new type needs an entry in `subjectTypes`, and its state here. */
export const subjectRows: Record<SubjectType, RawBuilder<SubjectRow>> = {
  RUN: sql`
select r.id, s.project_id as project, s.id as storage, to_jsonb(r) as payload
from sync_run r join storage s on s.id = r.storage_id`,
  STORAGE: sql`
select s.id, s.project_id as project, s.id as storage, jsonb_build_object('direction', s.direction, 'title', s.title,
  'pending_failure', (select failure from outbox where storage_id = s.id and failure is not null limit 1)) as payload
from storage s`,
  PROJECT: sql`
select id, id as project, null::bigint as storage, jsonb_build_object('title', title) as payload from project`,
  TASK: sql`
select id, project_id as project, null::bigint as storage, jsonb_build_object('inner_id', inner_id) as payload from task`,
  ANNOTATION: sql`
select a.id, t.project_id as project, null::bigint as storage, to_jsonb(a) - 'result' as payload
from annotation a join task t on t.id = a.task_id`,
  WEBHOOK: sql`
select id, project_id as project, null::bigint as storage, jsonb_build_object('actions', actions, 'active', active) as payload
from webhook`,
}

/** A name for a subject, for keys of maps. */
export const nameOf = ({ type, id }: Subject): string => `${type} ${id}`
