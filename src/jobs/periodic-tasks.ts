import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Logger } from '../logger.ts'
import { execute } from '../sql.ts'

/** A task that the fleet runs again and again. It can be interrupted at any point; another process then runs it from its start. */
interface PeriodicTask {
  /** Pause between the end of one execution and the start of the next. */
  everySeconds: number
  run: () => Promise<void>
}

const pollMs = 1_000
const heartbeatMs = 3_000

/**
 * Runs the tasks that are due. A process locks the row of a task while it runs it, so one process of the fleet runs it at a
 * time, and another one takes over at once when that process dies. The database's clock decides what is due; repeating jobs
 * of the queue would depend on the clocks of the machines. The returned function stops this; it resolves when the tasks of
 * this process have ended.
 */
export function startPeriodicTasks(
  { em, logger }: { em: EntityManager; logger: Logger },
  tasks: Record<string, PeriodicTask>,
): () => Promise<void> {
  const stopping = new AbortController()
  const running = new Map<string, Promise<void>>()

  const runOne = (name: string, { everySeconds, run }: PeriodicTask) =>
    em
      .fork()
      .transactional(async (tx) => {
        const locked = await execute(
          tx,
          sql`select name from round where name = ${name} and due_at <= now() for update skip locked`,
        )
        if (locked.length === 0) return
        // The database ends a session that is idle in a transaction, because its process may have stopped.
        const heartbeat = setInterval(() => execute(tx, sql`select 1`).catch(() => {}), heartbeatMs)
        await run().finally(() => clearInterval(heartbeat))
        await execute(
          tx,
          sql`update round set due_at = clock_timestamp() + make_interval(secs => ${everySeconds}) where name = ${name}`,
        )
      })
      .catch((err) => logger.warn({ err, task: name }, 'a periodic task failed and will run again'))
      .finally(() => running.delete(name))

  const poll = async () => {
    const names = Object.keys(tasks)
    await execute(em.fork(), sql`insert into round (name) select unnest(${names}::text[]) on conflict do nothing`)
    while (!stopping.signal.aborted) {
      const due = await execute<{ name: string }>(em.fork(), sql`select name from round where due_at <= now()`)
      for (const { name } of due) {
        const task = tasks[name]
        if (task && !running.has(name)) running.set(name, runOne(name, task))
      }
      await sleep(pollMs, undefined, { signal: stopping.signal })
    }
  }
  const polling = (async () => {
    while (!stopping.signal.aborted) {
      await poll().catch((err) => {
        if (!stopping.signal.aborted) logger.warn({ err }, 'the periodic tasks that are due cannot be read')
      })
      await sleep(pollMs, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })()
  return async () => {
    stopping.abort()
    await polling
    await Promise.all(running.values())
  }
}
