import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { SyncRun } from '../entities/sync-run.ts'
import type { Logger } from '../logger.ts'
import { type Breaker, createBreaker, type Pause } from './breaker.ts'
import { awaySinceMs, leaderName, noteWaiting } from './waiting.ts'

/** The breaker of a run in this process, which tells in the run's row that it waits. */
export interface RunBreaker extends Omit<Breaker, 'close'> {
  /** Takes what an event says of the run: that somebody asked it to retry. */
  heed(payload: Record<string, unknown>): void
  /** Resolves when what was told is written. */
  close(): Promise<void>
}

/** Opens the breaker of a run that this process leads, or assists in. */
export function openRunBreaker(
  { em, logger, patienceSeconds }: { em: EntityManager; logger: Logger; patienceSeconds: number },
  run: SyncRun,
  role: 'LEADS' | 'ASSISTS',
): RunBreaker {
  const name = role === 'LEADS' ? leaderName : randomUUID()
  const awayMs = role === 'LEADS' ? awaySinceMs(run) : undefined
  let told = Promise.resolve()
  let isWaiting = false
  const tell = (pause: Pause | null) => {
    isWaiting = pause !== null
    told = told
      .then(() => noteWaiting(em, run, { name, pause }))
      .catch((err) => logger.warn({ err, run: run.id }, 'a run could not tell that it waits for its storage'))
  }
  const breaker = createBreaker({
    patienceMs: patienceSeconds * 1_000,
    hasResponded: awayMs !== undefined || run.listed + run.selected > 0,
    awaySinceMs: awayMs,
    tell,
  })
  return {
    ...breaker,
    heed({ waiting }) {
      if ((waiting as SyncRun['waiting'])?.[name]?.retryAsked) breaker.retryNow()
    },
    close() {
      breaker.close()
      // The run goes on without a process that assists; what its leader waits for, the next leader is to know.
      if (isWaiting && role === 'ASSISTS') tell(null)
      return told
    },
  }
}
