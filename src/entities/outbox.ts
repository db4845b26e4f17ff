import { defineEntity, p } from '@mikro-orm/core'
import { exportSettings } from '../storage-settings/export.ts'
import { StorageEntity } from './storage.ts'

/**
 * An annotation (or, in TASK format, a task) whose state a target is to be given: there is one row however often it was
 * saved meanwhile. Who writes to the target holds the row by a lease, so that there is one writer at a time.
 */
export const OutboxEntity = defineEntity({
  name: 'Outbox',
  tableName: 'outbox',
  properties: {
    id: p.bigint('number').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').index(false),
    kind: p.enum(exportSettings.exportFormat.schema.options),
    /** Id of the annotation or task. No foreign key: its deletion is a state, too. */
    subject: p.bigint('number'),
    /** Grows with every save, so that a write of an older state is not taken for that of the newest; 0 = only a run has it. */
    version: p.integer().default(1),
    /** Failed writes since the last one that worked. */
    attempts: p.integer().default(0),
    /** The object that was, or may have been, written; what is removed when the subject is gone. */
    key: p.text().collation('C').nullable(),
    /** Who holds the row until `dueAt`; null = nobody. */
    lease: p.text().nullable(),
    /** When the row may be taken: the end of its lease or of its wait. */
    dueAt: p.datetime().defaultRaw('now()'),
    /** Why the last write failed, in words. */
    failure: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
  },
  indexes: [{ properties: ['storage', 'dueAt'] }],
  uniques: [{ properties: ['storage', 'kind', 'subject'] }],
})
