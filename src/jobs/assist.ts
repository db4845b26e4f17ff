import { policyOf } from '../entities/run-policies.ts'
import { StorageEntity } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { LoggedEvent } from '../events/log.ts'
import { assistImport } from '../import/import.ts'
import { connectRun } from '../runs/connect-run.ts'
import { RunLost } from '../runs/lease.ts'
import { toRun } from '../runs/run.ts'
import { openRunBreaker, type RunBreaker } from '../runs/run-breaker.ts'
import type { WorkerDeps } from './work.ts'

/**
 * Lets this idle process help with an import that another process executes, after `assistAfterSeconds`, one import at a time. It
 * finds imports by their progress events. If this process dies, its ranges are claimed by others. The returned function stops it;
 * it resolves when the ranges are released.
 */
export function startAssisting(deps: WorkerDeps): () => Promise<void> {
  const queue = deps.events.open({ subject: { type: 'RUN' } })
  const stopping = new AbortController()
  const notBefore = new Map<number, number>()
  let current: { run: number; ended: Promise<void>; lost: AbortController; breaker: RunBreaker } | undefined

  const consider = (event: LoggedEvent) => {
    const { payload } = event
    const run = event.subject.id
    if (current?.run === run && (payload.status !== 'IN_PROGRESS' || payload.cancel_requested)) {
      current.lost.abort(new RunLost())
    }
    if (current?.run === run) current.breaker.handleEvent(payload)
    if (payload.status !== 'IN_PROGRESS') notBefore.delete(run)
    if (current || deps.activeRuns.has(run) || !isLong(deps, event) || Date.now() < (notBefore.get(run) ?? 0)) return
    // After each try it pauses, because an attempt to split a range costs about ten LIST calls.
    notBefore.set(run, Date.now() + deps.assistAfterSeconds * 1_000)
    const lost = new AbortController()
    const begun = toRun(deps.em, payload)
    const breaker = openRunBreaker(deps, begun, 'ASSISTS')
    const signal = AbortSignal.any([stopping.signal, lost.signal, breaker.signal])
    const ended = assist(deps, begun, { breaker, signal })
      .catch((error) => {
        if (!(error instanceof RunLost) && !stopping.signal.aborted) {
          deps.logger.warn({ err: error, run }, 'a share of a sync failed, and is left to its leader')
        }
      })
      .finally(() => breaker.close())
      .finally(() => {
        current = undefined
      })
    current = { run, ended, lost, breaker }
  }
  const listen = async () => {
    for (;;) {
      const event = await queue.next()
      if (event === undefined) return
      if (typeof event === 'object') consider(event)
    }
  }
  listen()
  return async () => {
    queue.close()
    stopping.abort(new Error('The server is stopping.'))
    await current?.ended
  }
}

/** Both times are from the database's clock. */
function isLong({ assistAfterSeconds }: WorkerDeps, { kind, payload, createdAt }: LoggedEvent): boolean {
  const started = Date.parse(String(payload.started_at))
  const { splitsRanges } = policyOf(payload.kind)
  return (
    kind === 'PROGRESS' &&
    splitsRanges &&
    !payload.waiting &&
    createdAt.getTime() - started >= assistAfterSeconds * 1_000
  )
}

async function assist(
  deps: WorkerDeps,
  run: SyncRun,
  { breaker, signal }: { breaker: RunBreaker; signal: AbortSignal },
): Promise<void> {
  const storage = await deps.em.fork().findOne(StorageEntity, { id: run.storage, direction: 'IMPORT' })
  if (!storage) return
  const provider = await connectRun(deps, storage)
  try {
    await assistImport({ ...deps, run, storage, provider, breaker, signal })
  } finally {
    provider.close()
  }
}
