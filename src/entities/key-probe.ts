import { defineEntity, p } from '@mikro-orm/core'

/** One row: a text sealed with the SECRET_KEY of this database. A process with another key cannot unseal it, and does not start. */
export const KeyProbeEntity = defineEntity({
  name: 'KeyProbe',
  tableName: 'key_probe',
  properties: {
    id: p.integer().primary().autoincrement(false),
    sealed: p.text(),
  },
})
