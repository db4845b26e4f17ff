import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** Number of a storage's newest runs whose rows and whose issues are retained. Those of its last sync are always retained. */
const retainedRuns = { rows: 1_000, issues: 100 }

/**
 * Deletes the recorded keys (`sync_key`) and staged rows (`import_row`) of ended runs, the issues of old runs, and very old runs.
 * Data of active runs is not deleted.
 */
export async function pruneRuns(em: EntityManager, { rows, issues } = retainedRuns): Promise<void> {
  await execute(
    em,
    // A run that was active at the same time, and still is, reads which objects this run has seen.
    sql`delete from sync_key k using sync_run r where r.id = k.run_id and ${hasEnded} and (k.kind <> 'SEEN' or not exists (
       select 1 from sync_run a where a.storage_id = r.storage_id and a.status in ('QUEUED', 'IN_PROGRESS')
         and r.finished_at >= a.started_at))`,
  )
  // A worker that crashed has left rows of objects that it did not read to the end.
  await execute(em, sql`delete from import_row i using sync_run r where r.id = i.run_id and ${hasEnded}`)
  await execute(em, sql`delete from sync_issue i using ${oldRuns(issues)} and i.run_id = r.id`)
  await execute(em, sql`delete from sync_run d using ${oldRuns(rows)} and d.id = r.id`)
}

const hasEnded = sql`r.status not in ('QUEUED', 'IN_PROGRESS')`

/** Runs of each storage, except its newest `count`. */
const oldRuns = (count: number) => sql`storage s cross join lateral (
    select id from sync_run where storage_id = s.id order by id desc offset ${count} limit 1) oldest
  join sync_run r on r.storage_id = s.id and r.id <= oldest.id
  where r.id is distinct from s.last_run and ${hasEnded}`
