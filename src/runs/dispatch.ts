import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Storage, StorageDirection } from '../entities/storage.ts'
import type { Lane } from '../entities/sync-run.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { execute } from '../sql.ts'
import { workerTimeoutSeconds } from './fleet.ts'
import type { RunLease } from './lease.ts'
import { setJob } from './run.ts'

/** What `dispatchRun` needs. */
interface DispatchDeps {
  em: EntityManager
  queue: Queue
}

/** The project and direction of a run that was queued or has left its slot. */
export interface Share {
  project: Storage['project']
  direction: StorageDirection
}

/** A QUEUED run without a job, because its project uses its share of the slots. */
export function isWaiting(name: string): RawBuilder<SqlBool> {
  const run = sql.id(name)
  return sql`(${run}.status = 'QUEUED' and ${run}.lane is null and ${run}.job_id is null)`
}

/** A run that has a slot. Both conditions equal those of the partial indexes, so that the planner uses the indexes. */
function isDispatched(name: string): RawBuilder<SqlBool> {
  const run = sql.id(name)
  return sql`(${run}.status = 'IN_PROGRESS'
    or (${run}.status = 'QUEUED' and (${run}.lane is not null or ${run}.job_id is not null)))`
}

/**
 * Admits the next run if there is a slot, and enqueues its job. Call it after the commit of the change. The rules apply to imports
 * and exports separately, with S slots in all processes and P projects that have admitted runs:
 * - A project without an admitted run gets one at once.
 * - A project with fewer than S / P gets another at once.
 * - Any project gets another while fewer than S are admitted, and never more than S.
 *
 * Of several candidates, the project with the fewest admitted runs is first. Within a project, a storage without an admitted
 * run is before one that has one; then the oldest run is first. Runs beyond the S slots go to the lane EXTRA, so that no
 * number of runs of one project can be ahead of them.
 */
export async function dispatchRun(deps: DispatchDeps, share: Share): Promise<void> {
  const run = await admit(deps.em, share.direction, share.project)
  if (run) await enqueueRun(deps, run)
}

/** Like `dispatchRun`, but only logs an error; the sweeper then admits the run within a second. */
export async function tryDispatch(deps: DispatchDeps & { logger: Logger }, share: Share): Promise<void> {
  await dispatchRun(deps, share).catch((err) => deps.logger.warn({ err }, 'the next run could not be admitted yet'))
}

/** Admits all runs that have a slot, for example after a process died or a worker joined. */
export async function dispatchRuns(deps: DispatchDeps): Promise<void> {
  for (const { direction } of await execute(deps.em, directionsWithWaiting)) {
    const withoutRun = await execute(deps.em, projectsWithoutRun(direction))
    for (const project of [...withoutRun.map(({ project_id }) => Number(project_id)), null]) {
      for (let run = await admit(deps.em, direction, project); run; run = await admit(deps.em, direction, null)) {
        await enqueueRun(deps, run)
      }
    }
  }
}

/** Enqueues the job of an admitted run. If that fails, the sweeper enqueues it. */
export async function enqueueRun({ em, queue }: DispatchDeps, run: RunLease): Promise<void> {
  const [row] = await execute<{ direction: StorageDirection; lane: Lane | null }>(
    em,
    sql`select share_direction as direction, lane from sync_run where id = ${run.id}`,
  )
  if (!row) return
  const [main, extra] =
    row.direction === 'EXPORT'
      ? [jobs.exportStorage, jobs.exportStorageExtra]
      : [jobs.importStorage, jobs.importStorageExtra]
  const jobId = await queue.offer(row.lane === 'EXTRA' ? extra : main, { runId: run.id, attempt: run.attempt })
  if (jobId !== undefined) await setJob(em, run, jobId)
}

/** Admits a run and returns its lease. One process at a time decides, so that no slot is used twice. */
async function admit(
  em: EntityManager,
  direction: StorageDirection,
  project: number | null,
): Promise<RunLease | undefined> {
  return em.fork().transactional(async (tx) => {
    await execute(tx, sql`select pg_advisory_xact_lock(hashtext('sluice dispatch ' || ${direction}))`)
    const [row] = await execute(tx, admission(direction, project))
    return row && { id: Number(row.id), attempt: row.attempt }
  })
}

// Limits the search for a storage without an admitted run in the queue of a project.
const maxScannedRuns = 1_000

const waitingOf = (direction: StorageDirection, limit: number) =>
  sql`select r.id, r.storage_id from sync_run r
   where r.share_direction = ${direction} and r.share_project = a.project_id and ${isWaiting('r')}
   order by r.id limit ${limit}`

// Reads one index entry per admitted run, and none for waiting runs.
const admission = (direction: StorageDirection, project: number | null) => sql<{ id: string; attempt: number }>`
with held as materialized (
  select r.share_project as project_id, count(*)::int as n from sync_run r
  where r.share_direction = ${direction} and ${isDispatched('r')} group by r.share_project),
fleet as materialized (
  select greatest(1, (
      select sum(slots) from worker where seen_at > now() - make_interval(secs => ${workerTimeoutSeconds})))::int as slots,
    (select count(*) from held)::int as projects, (select coalesce(sum(n), 0) from held)::int as used),
allowed as (
  select h.project_id, h.n from held h, fleet f
  where h.n < f.slots and (f.used < f.slots or h.n < f.slots / f.projects)
  union all
  select p.id, 0 from (select ${project}::bigint as id) p
  where p.id is not null and not exists (select from held h where h.project_id = p.id)),
next as (
  select w.id from allowed a cross join lateral (
    (select 0 as turn, r.id from (${waitingOf(direction, maxScannedRuns)}) r
      where not exists (select from sync_run o where o.storage_id = r.storage_id and ${isDispatched('o')})
      order by r.id limit 1)
    union all (select 1 as turn, r.id from (${waitingOf(direction, 1)}) r) order by turn limit 1) w
  order by a.n, w.id limit 1)
update sync_run r set lane = case when f.used < f.slots then 'MAIN' else 'EXTRA' end, heartbeat_at = now()
from fleet f where r.id = (select id from next) and r.status = 'QUEUED' and r.lane is null
returning r.id, r.attempt`

// `min` reads one index entry; for `exists`, PostgreSQL may read all runs.
const directionsWithWaiting = sql<{ direction: StorageDirection }>`
select direction from (values ('IMPORT'), ('EXPORT')) as d (direction)
where (select min(r.share_project) from sync_run r where r.share_direction = d.direction and ${isWaiting('r')}) is not null`

// Skips from project to project in the index.
const projectsWithoutRun = (direction: StorageDirection) => sql<{ project_id: string }>`
with recursive p as (
  (select r.share_project as project_id from sync_run r where r.share_direction = ${direction} and ${isWaiting('r')}
    order by r.share_project limit 1)
  union all
  select (select r.share_project from sync_run r
    where r.share_direction = ${direction} and ${isWaiting('r')} and r.share_project > p.project_id
    order by r.share_project limit 1) from p where p.project_id is not null)
select p.project_id from p where p.project_id is not null and not exists (
  select from sync_run r where r.share_direction = ${direction} and r.share_project = p.project_id and ${isDispatched('r')})`
