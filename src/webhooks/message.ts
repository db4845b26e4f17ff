import type { EntityManager } from '@mikro-orm/postgresql'
import type { SubjectType } from '../entities/event.ts'
import { policyOf } from '../entities/run-policies.ts'
import type { StorageDirection } from '../entities/storage.ts'
import { SyncRunEntity, type SyncStatus } from '../entities/sync-run.ts'
import type { WebhookAction } from '../entities/webhook.ts'
import type { LoggedEvent } from '../events/log.ts'

/** The global id of an object in the API. */
export type GlobalId = (type: ObjectType, id: number) => string
type ObjectType = 'Project' | 'ImportStorage' | 'ExportStorage' | 'SyncRun' | 'Task' | 'Webhook'

/** The body of a message (Standard Webhooks 1.0, "Payload structure"). */
export function writeMessage(action: WebhookAction | 'PING', at: Date, data: object): string {
  return JSON.stringify({ type: action, timestamp: at.toISOString(), data })
}

/** Global ids of the project, storage and run that an event is about. `direction` is that of the storage. */
export function placeData(
  globalId: GlobalId,
  { project, storage, subject }: LoggedEvent,
  direction: StorageDirection | undefined,
) {
  return {
    projectId: globalId('Project', project),
    ...(storage !== null && {
      storageId: globalId(direction === 'EXPORT' ? 'ExportStorage' : 'ImportStorage', storage),
    }),
    ...(subject.type === 'RUN' && { runId: globalId('SyncRun', subject.id) }),
  }
}

/** The run at the moment of an event. */
function runData(em: EntityManager, { payload }: LoggedEvent) {
  const run = em.fork().map(SyncRunEntity, payload)
  const { kind, status, attempt, failure, queuedAt, startedAt, finishedAt } = run
  const { listed, skipped, matched, existed, created, updated, moved, missing, exported, deleted, failed, bytesRead } =
    run
  return {
    kind,
    status,
    attempt,
    failure,
    counters: {
      listed,
      skipped,
      matched,
      existed,
      created,
      updated,
      moved,
      missing,
      exported,
      deleted,
      failed,
      bytesRead,
    },
    queuedAt,
    startedAt,
    finishedAt,
  }
}

/** What webhooks receive for an event. */
export interface Announcement {
  action: WebhookAction
  /** The contents of the message besides the ids of `placeData`. */
  data: object
}

/** Announces events by the type of their subject. A type without an entry is not announced. */
const announcers: Partial<Record<SubjectType, (em: EntityManager, event: LoggedEvent) => Announcement | undefined>> = {
  RUN: (em, event) => {
    const action = actionOfRun(event)
    return action && { action, data: { run: runData(em, event) } }
  },
  STORAGE: (_em, { payload: { pending_failure: failure } }) =>
    typeof failure === 'string' ? { action: 'EXPORT_FAILED', data: { failure } } : undefined,
}

/** What webhooks receive for an event; undefined if they receive nothing. */
export const announcementOf = (em: EntityManager, event: LoggedEvent): Announcement | undefined =>
  announcers[event.subject.type]?.(em, event)

function actionOfRun({ kind, payload }: LoggedEvent): WebhookAction | undefined {
  if (kind !== 'STATUS' || !isSync(payload)) return undefined
  switch (payload.status as SyncStatus) {
    case 'IN_PROGRESS':
      // A later attempt continues the run, and a cancel request does not start it.
      return payload.started_at === payload.heartbeat_at && !payload.cancel_requested ? 'SYNC_STARTED' : undefined
    case 'COMPLETED':
    case 'COMPLETED_WITH_ERRORS':
      return 'SYNC_COMPLETED'
    case 'FAILED':
      return 'SYNC_FAILED'
    case 'CANCELED':
      return 'SYNC_CANCELED'
    default:
      return undefined
  }
}

/** Whether an event is the end of a run that can create tasks. */
export const endsImport = ({ kind, subject, payload }: LoggedEvent) =>
  kind === 'STATUS' && subject.type === 'RUN' && !policyOf(payload.kind).countsOnly && payload.finished_at !== null

/** Other runs, such as dry runs, send no messages. */
const isSync = (run: Record<string, unknown>) => policyOf(run.kind).isSync
