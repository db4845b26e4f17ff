import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { RunWaiting } from '../entities/sync-run.ts'
import { recordEvent } from '../events/log.ts'
import { execute } from '../sql.ts'
import type { Pause } from './breaker.ts'
import { heldRun, type RunLease } from './lease.ts'

/** Name of the leading process in `SyncRun.waiting`, in all attempts. Assisting processes have names of their own. */
export const leaderName = 'leader'

/** Records that the process `name` pauses, or (null) continues, and notifies subscribers. Only while the lease is valid. */
export async function recordPause(
  em: EntityManager,
  run: RunLease,
  { name, pause }: { name: string; pause: Pause | null },
): Promise<void> {
  await em.fork().transactional(async (tx) => {
    const [row] = await execute(tx, pause ? setWaiting(run, name, pause) : endWaiting(run, name))
    if (row) await recordEvent(tx, 'PROGRESS', { type: 'RUN', id: run.id })
  })
}

/** Makes all paused processes of a run retry at once. False if none is paused. */
export async function requestRetry(em: EntityManager, id: number): Promise<boolean> {
  return em.fork().transactional(async (tx) => {
    const [row] = await execute(
      tx,
      sql`update sync_run r set waiting = (
         select jsonb_object_agg(key, value || jsonb_build_object('nextRetryAt', clock_timestamp(), 'retryAsked', true))
         from jsonb_each(r.waiting))
       where id = ${id} and status = 'IN_PROGRESS' and waiting is not null returning 1`,
    )
    if (row) await recordEvent(tx, 'PROGRESS', { type: 'RUN', id })
    return row !== undefined
  })
}

/** The pause of the run's leader, or else of the process that has paused longest. Null if none pauses. */
export function waitingOf({ status, waiting }: { status: string; waiting?: RunWaiting | null }) {
  if (status !== 'IN_PROGRESS' || !waiting) return null
  const longest = Object.values(waiting).sort((a, b) => Date.parse(a.since) - Date.parse(b.since))[0]
  const one = waiting[leaderName] ?? longest
  if (!one) return null
  const { since, code, nextRetryAt, givesUpAt } = one
  return { since: new Date(since), code, nextRetryAt: new Date(nextRetryAt), givesUpAt: new Date(givesUpAt) }
}

/** How long a run had paused before another process handed it over, by the database's clock; undefined if it had not. */
export function pausedMs({ waiting, heartbeatAt }: { waiting?: RunWaiting | null; heartbeatAt?: Date | null }) {
  const since = waiting?.[leaderName]?.since
  return since === undefined || !heartbeatAt ? undefined : Math.max(0, heartbeatAt.getTime() - Date.parse(since))
}

const setWaiting = (run: RunLease, name: string, { code, sinceMs, retryInMs, givesUpInMs }: Pause) => sql`
update sync_run r set waiting = coalesce(r.waiting, '{}') || jsonb_build_object(${name}::text, jsonb_build_object(
  'code', ${code}::text, 'since', t.at - make_interval(secs => ${sinceMs / 1_000}),
  'nextRetryAt', t.at + make_interval(secs => ${retryInMs / 1_000}),
  'givesUpAt', t.at + make_interval(secs => ${givesUpInMs / 1_000})))
from (select clock_timestamp() as at) t
where ${heldRun(run, 'r')} returning 1`

const endWaiting = (run: RunLease, name: string) => sql`
update sync_run set waiting = nullif(waiting - ${name}::text, '{}')
where ${heldRun(run)} and waiting ? ${name}::text returning 1`

/**
 * The run's `waiting` without processes that recorded nothing for three minutes after their retry was due: they have died, or cannot
 * reach the database. The heartbeat writes it.
 */
export const stillWaiting = sql`
case when waiting is not null then (select jsonb_object_agg(key, value) from jsonb_each(waiting)
  where (value ->> 'nextRetryAt')::timestamptz > now() - interval '3 minutes') end`
