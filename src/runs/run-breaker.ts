import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { SyncRun } from '../entities/sync-run.ts'
import type { Logger } from '../logger.ts'
import { type Breaker, createBreaker, type Pause } from './breaker.ts'
import { leaderName, pausedMs, recordPause } from './waiting.ts'

/** The breaker of a run in this process. It records its pauses in the run's row. */
export interface RunBreaker extends Omit<Breaker, 'close'> {
  /** Handles an event of the run: a request to retry. */
  handleEvent(payload: Record<string, unknown>): void
  /** Resolves when all pauses are recorded. */
  close(): Promise<void>
}

/** Opens the breaker of a run that this process leads or assists. */
export function openRunBreaker(
  { em, logger, retryWindowSeconds }: { em: EntityManager; logger: Logger; retryWindowSeconds: number },
  run: SyncRun,
  role: 'LEADS' | 'ASSISTS',
): RunBreaker {
  const name = role === 'LEADS' ? leaderName : randomUUID()
  const alreadyPausedMs = role === 'LEADS' ? pausedMs(run) : undefined
  let recorded = Promise.resolve()
  let isWaiting = false
  const record = (pause: Pause | null) => {
    isWaiting = pause !== null
    recorded = recorded
      .then(() => recordPause(em, run, { name, pause }))
      .catch((err) => logger.warn({ err, run: run.id }, 'a pause of a run could not be recorded'))
  }
  const breaker = createBreaker({
    retryWindowMs: retryWindowSeconds * 1_000,
    hasResponded: alreadyPausedMs !== undefined || run.listed + run.selected > 0,
    alreadyPausedMs,
    report: record,
  })
  return {
    ...breaker,
    handleEvent({ waiting }) {
      if ((waiting as SyncRun['waiting'])?.[name]?.retryAsked) breaker.retryNow()
    },
    close() {
      breaker.close()
      // The run continues without an assistant. The pause of a leader stays recorded for the next leader.
      if (isWaiting && role === 'ASSISTS') record(null)
      return recorded
    },
  }
}
