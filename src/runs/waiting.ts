import type { EntityManager } from '@mikro-orm/postgresql'
import type { RunWaiting } from '../entities/sync-run.ts'
import { recordEvent } from '../events/log.ts'
import { sql } from '../sql.ts'
import type { Pause } from './breaker.ts'
import type { RunLease } from './lease.ts'

/** The name in `SyncRun.waiting` of the process that leads a run, whatever its attempt; processes that assist have their own. */
export const leaderName = 'leader'

/** Notes in the run's row that the process `name` waits, or (null) goes on, and tells subscribers. Only while it holds the run. */
export async function noteWaiting(
  em: EntityManager,
  { id, attempt }: RunLease,
  { name, pause }: { name: string; pause: Pause | null },
): Promise<void> {
  const seconds = pause ? [pause.sinceMs, pause.retryInMs, pause.givesUpInMs].map((ms) => ms / 1_000) : []
  await em.fork().transactional(async (tx) => {
    const [row] = pause
      ? await sql(tx, setWaiting, [id, attempt, name, pause.code, ...seconds])
      : await sql(tx, endWaiting, [id, attempt, name])
    if (row) await recordEvent(tx, 'PROGRESS', id)
  })
}

/** Asks all processes of a run that wait to retry at once. False when none waits. */
export async function askToRetry(em: EntityManager, id: number): Promise<boolean> {
  return em.fork().transactional(async (tx) => {
    const [row] = await sql(tx, retryAll, [id])
    if (row) await recordEvent(tx, 'PROGRESS', id)
    return row !== undefined
  })
}

/** What a run waits for, as its leader says, or else the process that has waited longest. Null while it goes on. */
export function waitingOf({ status, waiting }: { status: string; waiting?: RunWaiting | null }) {
  if (status !== 'IN_PROGRESS' || !waiting) return null
  const longest = Object.values(waiting).sort((a, b) => Date.parse(a.since) - Date.parse(b.since))[0]
  const one = waiting[leaderName] ?? longest
  if (!one) return null
  const { since, code, nextRetryAt, givesUpAt } = one
  return { since: new Date(since), code, nextRetryAt: new Date(nextRetryAt), givesUpAt: new Date(givesUpAt) }
}

/** How long a run that another process has handed over had waited, by the clock of the database; undefined if it had not. */
export function awaySinceMs({ waiting, heartbeatAt }: { waiting?: RunWaiting | null; heartbeatAt?: Date | null }) {
  const since = waiting?.[leaderName]?.since
  return since === undefined || !heartbeatAt ? undefined : Math.max(0, heartbeatAt.getTime() - Date.parse(since))
}

const setWaiting = `
update sync_run r set waiting = coalesce(r.waiting, '{}') || jsonb_build_object($3::text, jsonb_build_object(
  'code', $4::text, 'since', t.at - make_interval(secs => $5),
  'nextRetryAt', t.at + make_interval(secs => $6), 'givesUpAt', t.at + make_interval(secs => $7)))
from (select clock_timestamp() as at) t
where r.id = $1 and r.attempt = $2 and r.status = 'IN_PROGRESS' returning 1`

const endWaiting = `
update sync_run set waiting = nullif(waiting - $3::text, '{}')
where id = $1 and attempt = $2 and status = 'IN_PROGRESS' and waiting ? $3::text returning 1`

const retryAll = `
update sync_run r set waiting = (
  select jsonb_object_agg(key, value || jsonb_build_object('nextRetryAt', clock_timestamp(), 'retryAsked', true))
  from jsonb_each(r.waiting))
where id = $1 and status = 'IN_PROGRESS' and waiting is not null returning 1`

/**
 * The run's `waiting` without processes that have told nothing for minutes after they were to retry: they have died, or cannot
 * reach the database. Written by the heartbeat.
 */
export const stillWaiting = `
case when waiting is not null then (select jsonb_object_agg(key, value) from jsonb_each(waiting)
  where (value ->> 'nextRetryAt')::timestamptz > now() - interval '3 minutes') end`
