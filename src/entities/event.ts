import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** What an event can be about. `events/subjects.ts` says where the state of each is. */
export const subjectTypes = ['RUN', 'STORAGE', 'PROJECT', 'TASK', 'ANNOTATION', 'WEBHOOK'] as const
export type SubjectType = (typeof subjectTypes)[number]

/** An object that events are about, by its database id. */
export interface Subject {
  type: SubjectType
  id: number
}

/** One line of the event log: the state of a subject right after a change. Ids grow in the order of commit. */
export const EventEntity = defineEntity({
  name: 'Event',
  tableName: 'event',
  properties: {
    id: p.bigint('number').primary(),
    /** PROGRESS is replaced by a later event of its subject. */
    kind: p.enum(['STATUS', 'PROGRESS'] as const),
    project: p.bigint('number'),
    /** The storage that the subject is or belongs to. */
    storage: p.bigint('number').nullable(),
    subjectType: p.text().$type<SubjectType>().default('RUN'),
    /** Null in rows of versions before migration 0024: their subject is the run. */
    subjectId: p.bigint('number').nullable(),
    /** The run, if that is the subject. Only versions before migration 0024 need it. */
    run: p.bigint('number').nullable(),
    /** The subject's state at that moment. */
    payload: p.json<Record<string, unknown>>(),
    createdAt: p.datetime().defaultRaw('now()').index(),
  },
  indexes: [{ properties: ['project', 'id'] }],
})

export type Event = InferEntity<typeof EventEntity>
