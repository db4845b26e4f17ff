import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** One line of the event log: what a storage and its run looked like right after a change. Ids grow in the order of commit. */
export const EventEntity = defineEntity({
  name: 'Event',
  tableName: 'event',
  properties: {
    id: p.bigint('number').primary(),
    kind: p.enum(['STATUS', 'PROGRESS'] as const),
    project: p.bigint('number'),
    storage: p.bigint('number'),
    run: p.bigint('number'),
    /** The run's row at that moment. */
    payload: p.json<Record<string, unknown>>(),
    createdAt: p.datetime().defaultRaw('now()').index(),
  },
  indexes: [{ properties: ['project', 'id'] }],
})

export type Event = InferEntity<typeof EventEntity>
