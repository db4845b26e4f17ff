import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from '../sql.ts'

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

/** Locks the row of the run until the end of the transaction of `tx`. False if the lease was lost or the run has ended. */
export async function lockRun(tx: EntityManager, { id, attempt }: RunLease): Promise<boolean> {
  const rows = await sql(
    tx,
    `select 1 from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS' for update`,
    [id, attempt],
  )
  return rows.length > 0
}
