import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Queue } from '../queue/agenda.ts'
import { execute } from '../sql.ts'
import { abandonRun } from './run.ts'
import { cancelSync } from './start.ts'

const pollMs = 50

/**
 * Cancels runs and waits until they have ended, at most `waitMs`. A run whose worker does not stop by then, for example because it has
 * died, is CANCELED without it: the worker can write nothing more.
 */
export async function cancelRuns(
  deps: { em: EntityManager; queue: Queue },
  runs: number[],
  { waitMs = 10_000 }: { waitMs?: number } = {},
): Promise<void> {
  for (const id of runs) await cancelSync(deps, id)
  const active = () =>
    execute<{ id: string }>(
      deps.em,
      sql`select id from sync_run where id = any(${runs}::bigint[]) and status in ('QUEUED', 'IN_PROGRESS')`,
    )
  for (const end = performance.now() + waitMs; performance.now() < end; await sleep(pollMs)) {
    if ((await active()).length === 0) return
  }
  for (const { id } of await active()) await abandonRun(deps.em, Number(id))
}
