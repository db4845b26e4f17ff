import { sql } from 'kysely'
import { type DrainDeps, drainOutbox } from '../export/drain.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { execute } from '../sql.ts'
import { createTurns } from '../turns.ts'

/**
 * Handles jobs that write pending exports: to `concurrency` storages of one project at a time, and twice as many in all.
 * Storages that wait for their project's turn are in memory only; if this process dies, `sweepOutbox` finds them.
 */
export function handleOutbox(queue: Queue, deps: DrainDeps, concurrency: number): void {
  const turns = createTurns(concurrency)
  const work = async ({ storageId }: { storageId: number }, stopping: AbortSignal) => {
    const [storage] = await execute<{ project: string }>(
      deps.em.fork(),
      sql`select project_id as project from storage where id = ${storageId}`,
    )
    if (!storage) return
    await turns.take(Number(storage.project), storageId, (id) => drainOutbox(deps, id, stopping), stopping)
  }
  queue.handle(jobs.drainOutbox, work, 2 * concurrency)
}
