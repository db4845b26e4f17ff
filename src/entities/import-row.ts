import { defineEntity, p } from '@mikro-orm/core'
import type { JsonObject } from '../json.ts'

/** A row of a changed object. It waits here until the object is read to its end, because its place is known only then. */
export const ImportRowEntity = defineEntity({
  name: 'ImportRow',
  tableName: 'import_row',
  properties: {
    /** Identifies one reading of one object. */
    readId: p.uuid().primary(),
    rowGroup: p.integer().primary(),
    rowIndex: p.integer().primary(),
    run: p.bigint('number').fieldName('run_id'),
    envelopeId: p.text().nullable(),
    data: p.json<JsonObject>().columnType('json'),
    meta: p.json<JsonObject>().columnType('json').nullable(),
    allowSkip: p.boolean(),
    extra: p.json<JsonObject>().columnType('json').nullable(),
    /** Its predictions and annotations; each result is a text. */
    labels: p.json<JsonObject>().columnType('json').nullable(),
    createdAt: p.datetime().nullable(),
    updatedAt: p.datetime().nullable(),
    origin: p.text().nullable(),
  },
})
