import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** What the workers of the fleet do again and again, one of them at a time: who makes a round holds its row. */
export const RoundEntity = defineEntity({
  name: 'Round',
  tableName: 'round',
  properties: {
    name: p.text().primary(),
    dueAt: p.datetime().defaultRaw('now()'),
  },
})

export type Round = InferEntity<typeof RoundEntity>
