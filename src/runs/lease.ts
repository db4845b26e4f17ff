import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { execute } from '../sql.ts'

/** Identifies one attempt at a run. Every write carries it, and the database refuses writes of an earlier attempt. */
export interface RunLease {
  id: number
  attempt: number
}

/** Another worker has taken over the run, it has ended, or it is outdated. Nothing was written, and the worker must stop. */
export class RunLost extends Error {
  constructor() {
    super('Another worker has taken over the run, it has ended, or its storage was changed.')
  }
}

/** SQL condition on `sync_run`, or on its alias `name`: the row belongs to this attempt. */
export function ofAttempt({ id, attempt }: RunLease, name = 'sync_run'): RawBuilder<SqlBool> {
  const run = sql.id(name)
  return sql`(${run}.id = ${id} and ${run}.attempt = ${attempt})`
}

/** SQL condition on `sync_run`, or on its alias `name`: this attempt has the lease of the run, so it may change the run's state. */
export const leasedRun = (lease: RunLease, name = 'sync_run'): RawBuilder<SqlBool> =>
  sql`(${ofAttempt(lease, name)} and ${sql.id(name)}.status = 'IN_PROGRESS')`

/**
 * SQL condition on `sync_run`, or on its alias `name`: this attempt may write results (fencing). It has the lease, and the storage
 * has the version with which the run began.
 */
export const heldRun = (lease: RunLease, name = 'sync_run'): RawBuilder<SqlBool> =>
  sql`(${leasedRun(lease, name)} and not ${sql.id(name)}.outdated)`

/** Whether this attempt has the lease of a run that is outdated. */
export async function isOutdated(em: EntityManager, lease: RunLease): Promise<boolean> {
  const rows = await execute(em, sql`select 1 from sync_run where ${leasedRun(lease)} and outdated`)
  return rows.length > 0
}

/** Locks the row of the run until the end of the transaction of `tx`. @throws RunLost if the attempt may not write */
export async function lockRun(tx: EntityManager, lease: RunLease): Promise<void> {
  if (!(await tryLockRun(tx, lease))) throw new RunLost()
}

/** As `lockRun`, but returns false if the attempt may not write. */
export async function tryLockRun(tx: EntityManager, lease: RunLease): Promise<boolean> {
  const rows = await execute(tx, sql`select 1 from sync_run where ${heldRun(lease)} for update`)
  return rows.length > 0
}
