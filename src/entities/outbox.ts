import { defineEntity, p } from '@mikro-orm/core'
import { exportSettings } from '../storage-settings/export.ts'
import { StorageEntity } from './storage.ts'

/**
 * A pending export: an annotation (or, in TASK format, a task) whose newest state the storage has not received. There is one row
 * per annotation or task, however often it is saved. A lease on the row ensures that one worker at a time writes the object.
 */
export const OutboxEntity = defineEntity({
  name: 'Outbox',
  tableName: 'outbox',
  properties: {
    id: p.bigint('number').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').index(false),
    kind: p.enum(exportSettings.exportFormat.schema.options),
    /** Id of the annotation or task. No foreign key, because a deletion is exported, too. */
    subject: p.bigint('number'),
    /**
     * Increases with each save, so that the write of an older state does not count as the write of the newest. 0 if only a run
     * created the row.
     */
    version: p.integer().default(1),
    /** Number of failed writes since the last successful one. */
    attempts: p.integer().default(0),
    /** Key of the object that was, or may have been, written. It is removed when the annotation or task is deleted. */
    key: p.text().collation('C').nullable(),
    /** Token of the lease, which ends at `dueAt`. Null if the row is not leased. */
    lease: p.text().nullable(),
    /** When a worker may claim the row: after its lease, or after the wait before a retry. */
    dueAt: p.datetime().defaultRaw('now()'),
    /** Why the last write failed, as text for people. */
    failure: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
  },
  indexes: [
    { properties: ['storage', 'dueAt'] },
    // Whether a storage has failed writes is asked with each of them, also beside millions of pending exports.
    { name: 'outbox_failed_index', properties: ['storage'], where: 'failure is not null' },
  ],
  uniques: [{ properties: ['storage', 'kind', 'subject'] }],
})
