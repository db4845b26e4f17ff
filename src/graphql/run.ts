import { SyncIssueEntity } from '../entities/sync-issue.ts'
import type { runKinds, SyncRun, syncStatuses } from '../entities/sync-run.ts'
import { waitingOf } from '../sync/run-waiting.ts'
import { builder } from './builder.ts'
import { ErrorCodeRef } from './error-code.ts'
import { pageById } from './page.ts'
import { AnnotationRef, StorageRef, SyncIssueRef, SyncRunRef, TaskRef } from './refs.ts'

const SyncStatusRef = builder.enumType('SyncStatus', {
  description: 'State of a sync run. The first two are active, the others final.',
  values: {
    QUEUED: { description: 'Waits for a worker.' },
    IN_PROGRESS: { description: 'A worker is at it.' },
    COMPLETED: { description: 'Everything was taken.' },
    COMPLETED_WITH_ERRORS: { description: 'Finished, but some objects failed; each has an issue.' },
    FAILED: { description: 'Could not finish; what was imported stays.' },
    CANCELED: { description: 'Stopped on request; what was imported stays.' },
  } satisfies Record<(typeof syncStatuses)[number], { description: string }>,
})

const RunKindRef = builder.enumType('SyncRunKind', {
  description: 'What a run is for.',
  values: {
    SYNC: { description: 'Moves everything that is to be moved.' },
    RETRY: { description: 'Takes only what failed in another run.' },
    DRY_RUN: { description: 'Counts what a SYNC would do, and changes nothing.' },
    CHOSEN: { description: 'Moves what a person has picked. The status of the storage does not follow it.' },
  } satisfies Record<(typeof runKinds)[number], { description: string }>,
})

const counters = {
  listed: 'Objects that the storage listed.',
  skipped:
    'Listed objects that were left out: folder markers, and keys that the filter does not take. In exports: objects that have not changed.',
  matched: 'Listed objects that are to be imported: listed - skipped.',
  existed: 'Objects, or rows of objects, that were imported before.',
  created: 'Tasks created.',
  updated: 'Tasks whose data was replaced, or that got another annotation from an object of its own.',
  missing: 'Links whose object is gone.',
  selected: 'Annotations, or in TASK format tasks, that an export has come to.',
  exported: 'Objects written to the storage.',
  deleted: 'Objects removed from the storage.',
  failed: 'Objects, rows of objects, or annotations that failed; each has an issue.',
  bytesRead: 'Bytes of objects read.',
} as const

const SyncCountersRef = builder.objectRef<SyncRun>('SyncCounters').implement({
  description: 'What a run has done so far.',
  fields: (t) =>
    Object.fromEntries(
      Object.entries(counters).map(([name, description]) => [
        name,
        t.expose(name as keyof typeof counters, { type: 'SafeInt', description }),
      ]),
    ),
})

const WaitingRef = builder.objectRef<NonNullable<ReturnType<typeof waitingOf>>>('SyncRunWaiting').implement({
  description:
    'A run waits for a storage that responded to it before, and now refuses connections or answers 5xx. All its reads and writes pause together.',
  fields: (t) => ({
    since: t.expose('since', { type: 'DateTime', description: 'Time of the first failure.' }),
    code: t.expose('code', { type: ErrorCodeRef, description: 'Why the last request failed.' }),
    nextRetryAt: t.expose('nextRetryAt', {
      type: 'DateTime',
      description: 'When the run tries again. syncStorage makes it try at once.',
    }),
    givesUpAt: t.expose('givesUpAt', {
      type: 'DateTime',
      description: 'When the run ends as FAILED if the storage is still away (STORAGE_PATIENCE).',
    }),
  }),
})

const finishedOrNow = (run: SyncRun) => run.finishedAt ?? new Date()

builder.node(SyncRunRef, {
  description: 'One execution of a sync.',
  id: { resolve: (run) => run.id },
  loadWithoutCache: (id, { loaders }) => loaders.run.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Its number.' }),
    storage: t.field({
      type: StorageRef,
      description: 'The storage that is synced.',
      resolve: async (run, _args, { loaders }) => (await loaders.storage.load(run.storage))!,
    }),
    kind: t.expose('kind', { type: RunKindRef, description: 'What it is for.' }),
    status: t.expose('status', { type: SyncStatusRef, description: 'Its state.' }),
    attempt: t.exposeInt('attempt', { description: 'Which worker has it: 1, or more after one was lost or stopped.' }),
    failure: t.exposeString('failure', { nullable: true, description: 'Why it failed, in words; null unless it did.' }),
    cancelRequested: t.exposeBoolean('cancelRequested', { description: 'Whether it was asked to stop.' }),
    waiting: t.field({
      type: WaitingRef,
      nullable: true,
      description: 'What it waits for while its storage is away; null while it goes on, and once it has ended.',
      resolve: (run) => waitingOf(run),
    }),
    counters: t.field({ type: SyncCountersRef, description: 'What it has done so far.', resolve: (run) => run }),
    queuedAt: t.expose('queuedAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a worker took it; null = not yet.',
    }),
    heartbeatAt: t.expose('heartbeatAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Last sign of life of its worker; null = none yet.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null = not yet.',
    }),
    durationMs: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Milliseconds from its start to its end, or to now; null = not started.',
      resolve: (run) => (run.startedAt ? finishedOrNow(run).getTime() - run.startedAt.getTime() : null),
    }),
    ratePerSecond: t.float({
      nullable: true,
      description: 'Objects listed per second so far; null = not started.',
      resolve: (run) => {
        if (!run.startedAt) return null
        const seconds = (finishedOrNow(run).getTime() - run.startedAt.getTime()) / 1000
        return seconds > 0 ? Math.round((run.listed / seconds) * 10) / 10 : null
      },
    }),
    issues: t.connection({
      type: SyncIssueRef,
      description: 'Objects and rows that failed, newest first.',
      args: { code: t.arg({ type: ErrorCodeRef, description: 'Only issues of this kind.' }) },
      resolve: (run, { code, ...args }, { em }) =>
        pageById(em, SyncIssueEntity, { run: run.id, ...(code && { code }) }, args),
    }),
  }),
})

SyncIssueRef.implement({
  description: 'An object, a row of one, or an annotation that a run could not take, and why.',
  fields: (t) => ({
    annotation: t.field({
      type: AnnotationRef,
      nullable: true,
      description: 'The annotation that was not exported; null when it concerns none, or that was deleted.',
      resolve: (issue, _args, { loaders }) => (issue.annotation ? loaders.annotation.load(issue.annotation) : null),
    }),
    task: t.field({
      type: TaskRef,
      nullable: true,
      description: 'The task that was not exported in TASK format; null when it concerns none, or that was deleted.',
      resolve: (issue, _args, { loaders }) => (issue.task ? loaders.task.load(issue.task) : null),
    }),
    key: t.exposeString('key', {
      nullable: true,
      description: 'Key of the object; null when the issue concerns none.',
    }),
    rowGroup: t.int({
      nullable: true,
      description: 'Row group inside a Parquet object, from 0; null = it is none.',
      resolve: (issue) => (issue.rowGroup < 0 ? null : issue.rowGroup),
    }),
    rowIndex: t.int({
      nullable: true,
      description: 'Row inside the object, or inside its row group, from 0; null = the whole object.',
      resolve: (issue) => (issue.rowIndex < 0 ? null : issue.rowIndex),
    }),
    code: t.expose('code', { type: ErrorCodeRef, description: 'What happened, for a program.' }),
    message: t.exposeString('message', { description: 'What happened, in words.' }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether the same object may succeed later without a change.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it happened.' }),
  }),
})
