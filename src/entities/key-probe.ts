import { defineEntity, p } from '@mikro-orm/core'

/** One row: a text that only the SECRET_KEY of this database can open, by which a process with another key is found out. */
export const KeyProbeEntity = defineEntity({
  name: 'KeyProbe',
  tableName: 'key_probe',
  properties: {
    id: p.integer().primary().autoincrement(false),
    sealed: p.text(),
  },
})
