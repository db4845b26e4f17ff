import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { LoggedEvent } from '../events/log.ts'
import { toRun } from '../runs/run.ts'

/** One message to a subscriber. `cursor` is its position in the event log, or `start` for a position before the log. */
export type Change =
  | {
      kind: 'SNAPSHOT' | 'STATUS' | 'PROGRESS'
      cursor: number | typeof startCursor
      at: Date
      storage: number
      run: SyncRun | null
      /** With a snapshot: the storage at that moment. */
      row?: Storage
    }
  | { kind: 'HEARTBEAT' | 'LAGGED'; cursor: number | typeof startCursor; at: Date }

/** The cursor of a subscriber who has not received the whole snapshot yet. */
export const startCursor = 'start'

/** A message without a storage. */
export const messageWithoutStorage = (kind: 'HEARTBEAT' | 'LAGGED', cursor: number): Change => ({
  kind,
  cursor,
  at: new Date(),
})

// All subscribers receive the same object for an event, so that its rendering is cached once for all.
const changes = new WeakMap<LoggedEvent, Change>()
const runs = new WeakMap<LoggedEvent, SyncRun>()

/** Converts an event about a run to a change of its storage. Returns the same object for the same event. */
export function asChange(em: EntityManager, event: LoggedEvent): Change {
  const known = changes.get(event)
  if (known) return known
  const { id: cursor, createdAt: at, kind } = event
  const run = asRun(em, event)
  const change = { kind, cursor, at, storage: run.storage, run }
  changes.set(event, change)
  return change
}

/** The state of the run that the event is about. Returns the same object for the same event. */
export function asRun(em: EntityManager, event: LoggedEvent): SyncRun {
  const run = runs.get(event) ?? toRun(em, event.payload)
  runs.set(event, run)
  return run
}
