import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { ErrorCode } from '../errors.ts'
import { SyncRunEntity } from './sync-run.ts'

/** An object, row or annotation that a run could not process, and why. */
export const SyncIssueEntity = defineEntity({
  name: 'SyncIssue',
  tableName: 'sync_issue',
  properties: {
    id: p.bigint('number').primary(),
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').index(false),
    key: p.text().collation('C').nullable(),
    /** -1 if the issue concerns the whole object. */
    rowGroup: p.integer().default(-1),
    /** -1 if the issue concerns the whole object. */
    rowIndex: p.integer().default(-1),
    /**
     * The annotation, or in TASK format the task, that was not exported. No foreign key, because the issue remains after its
     * deletion.
     */
    annotation: p.bigint('number').nullable(),
    task: p.bigint('number').nullable(),
    code: p.text().$type<ErrorCode>(),
    message: p.text(),
    retryable: p.boolean(),
    createdAt: p.datetime().defaultRaw('now()'),
  },
  indexes: [{ properties: ['run', 'id'] }],
  // A page that is processed again after a crash reports the same issues again.
  uniques: [{ properties: ['run', 'key', 'rowGroup', 'rowIndex', 'code'] }],
})

export type SyncIssue = InferEntity<typeof SyncIssueEntity>
