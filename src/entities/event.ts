import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** One entry of the event log: the state of a storage and its run after a change. Ids increase in the order of commits. */
export const EventEntity = defineEntity({
  name: 'Event',
  tableName: 'event',
  properties: {
    id: p.bigint('number').primary(),
    kind: p.enum(['STATUS', 'PROGRESS'] as const),
    project: p.bigint('number'),
    storage: p.bigint('number'),
    run: p.bigint('number'),
    /** The row of the run after the change. */
    payload: p.json<Record<string, unknown>>(),
    createdAt: p.datetime().defaultRaw('now()').index(),
  },
  indexes: [{ properties: ['project', 'id'] }],
})

export type Event = InferEntity<typeof EventEntity>
