import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { LoggedEvent } from '../events/log.ts'
import { toRun } from '../runs/run.ts'

/** One thing that a subscriber is told; `cursor` says where it stands in the log, or that it stands before all of it. */
export type Change =
  | {
      kind: 'SNAPSHOT' | 'STATUS' | 'PROGRESS'
      cursor: number | typeof start
      at: Date
      storage: number
      run: SyncRun | null
      /** With a snapshot: the storage at that moment. */
      row?: Storage
    }
  | { kind: 'HEARTBEAT' | 'LAGGED'; cursor: number | typeof start; at: Date }

/** The cursor of who has not been told the whole of the present state yet. */
export const start = 'start'

/** What tells of no storage. */
export const mark = (kind: 'HEARTBEAT' | 'LAGGED', cursor: number): Change => ({ kind, cursor, at: new Date() })

// All who are told of an event are told the same object, so that what is made of it is made once.
const changes = new WeakMap<LoggedEvent, Change>()
const runs = new WeakMap<LoggedEvent, SyncRun>()

/** The event as a change of its storage; for the same event always the same object. */
export function asChange(em: EntityManager, event: LoggedEvent): Change {
  const known = changes.get(event)
  if (known) return known
  const { id: cursor, createdAt: at, kind, storage } = event
  const change = { kind, cursor, at, storage, run: asRun(em, event) }
  changes.set(event, change)
  return change
}

/** The state of the run that the event tells; for the same event always the same object. */
export function asRun(em: EntityManager, event: LoggedEvent): SyncRun {
  const run = runs.get(event) ?? toRun(em, event.payload)
  runs.set(event, run)
  return run
}
