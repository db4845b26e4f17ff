import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { execute } from '../sql.ts'

/** Identifies one attempt at a run. Every write carries it, and the database refuses writes of an earlier attempt. */
export interface RunLease {
  id: number
  attempt: number
}

/** Another worker has taken over the run, or it has ended. Nothing was written, and the worker must stop. */
export class RunLost extends Error {
  constructor() {
    super('Another worker has taken over the run, or it has ended.')
  }
}

/** SQL condition on `sync_run`, or on its alias `name`: the row belongs to this attempt. */
export function ofAttempt({ id, attempt }: RunLease, name = 'sync_run'): RawBuilder<SqlBool> {
  const run = sql.id(name)
  return sql`(${run}.id = ${id} and ${run}.attempt = ${attempt})`
}

/** SQL condition on `sync_run`, or on its alias `name`: this attempt has the lease of the run (fencing). */
export const heldRun = (lease: RunLease, name = 'sync_run'): RawBuilder<SqlBool> =>
  sql`(${ofAttempt(lease, name)} and ${sql.id(name)}.status = 'IN_PROGRESS')`

/** Locks the row of the run until the end of the transaction of `tx`. False if the lease was lost or the run has ended. */
export async function lockRun(tx: EntityManager, lease: RunLease): Promise<boolean> {
  const rows = await execute(tx, sql`select 1 from sync_run where ${heldRun(lease)} for update`)
  return rows.length > 0
}
