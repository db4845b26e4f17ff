import { SyncIssueEntity } from '../entities/sync-issue.ts'
import type { Relocation, runKinds, SyncRun, syncStatuses } from '../entities/sync-run.ts'
import { waitingOf } from '../runs/waiting.ts'
import { builder } from './builder.ts'
import { ErrorCodeRef } from './error-code.ts'
import { pageById } from './page.ts'
import { AnnotationRef, StorageRef, SyncIssueRef, SyncRunRef, TaskRef } from './refs.ts'

const SyncStatusRef = builder.enumType('SyncStatus', {
  description: 'Status of a run. QUEUED and IN_PROGRESS are active, the others final.',
  values: {
    QUEUED: { description: 'The run waits for a worker.' },
    IN_PROGRESS: { description: 'A worker processes the run.' },
    COMPLETED: { description: 'The run completed without issues.' },
    COMPLETED_WITH_ERRORS: {
      description:
        'The run completed, but some objects or rows failed, or were imported only in part. Each has an issue.',
    },
    FAILED: { description: 'The run failed. Tasks and objects that it wrote before stay.' },
    CANCELED: { description: 'A client canceled the run. Tasks and objects that it wrote before stay.' },
  } satisfies Record<(typeof syncStatuses)[number], { description: string }>,
})

const RunKindRef = builder.enumType('SyncRunKind', {
  description: 'What a run does.',
  values: {
    SYNC: { description: 'A full sync: imports or exports everything that the settings of the storage select.' },
    RETRY: { description: 'Processes only the objects or annotations that failed in another run.' },
    DRY_RUN: { description: 'Counts what a SYNC of an import storage would do, and changes nothing.' },
    CHOSEN: {
      description:
        'Imports the objects, or exports the annotations, that a client chose. It does not change the status of the storage.',
    },
    RELOCATE: {
      description:
        'Gives the links of an import storage the keys of another prefix (relocateLinks). It does not change the status of the storage.',
    },
  } satisfies Record<(typeof runKinds)[number], { description: string }>,
})

const counters = {
  listed:
    'Objects that the storage returned in its listing. Runs of chosen or failed objects: keys that they looked up. RELOCATE: objects that the run processed.',
  skipped:
    'Imports: listed objects that the filters exclude, and folder markers. Exports: objects that did not change (skipUnchanged).',
  matched: 'Listed objects that the filters include: `listed` minus `skipped`.',
  existed: 'Objects, or rows of objects, that an earlier run imported.',
  created: 'Tasks that the run created.',
  updated:
    'Tasks whose data the run replaced (changedPolicy UPDATE), or to which it added an annotation from another exported object of the same task.',
  moved:
    'Imports: tasks whose object or row was found under another key. They have their labels, and no other task was created. RELOCATE: links that have new keys.',
  missing: 'Links of missing objects and rows that the run flagged, or deleted with their task.',
  selected: 'Annotations that the export has processed; in TASK format, their tasks.',
  exported: 'Objects that the export wrote to the storage.',
  deleted:
    'Imports: tasks that the run deleted because their object or row is missing. RELOCATE: tasks that the run deleted because another task got their key. Exports: objects that it removed from the storage.',
  failed:
    'Objects, rows of objects, or annotations that failed, and rows that were imported only in part. Each has an issue; a run stores at most 10,000 issues.',
  bytesRead: 'Bytes that the run read from objects.',
} as const

const SyncCountersRef = builder.objectRef<SyncRun>('SyncCounters').implement({
  description: 'Counters of a run up to now. A dry run counts what a sync would do.',
  fields: (t) =>
    Object.fromEntries(
      Object.entries(counters).map(([name, description]) => [
        name,
        t.expose(name as keyof typeof counters, { type: 'SafeInt', description }),
      ]),
    ),
})

const RelocationRef = builder.objectRef<Relocation>('Relocation').implement({
  description: 'What a run of the kind RELOCATE does.',
  fields: (t) => ({
    from: t.exposeString('from', { description: 'What the former keys start with.' }),
    to: t.exposeString('to', { description: 'What the new keys have in its place.' }),
    dryRun: t.exposeBoolean('dryRun', { description: 'Whether the run only counts.' }),
  }),
})

const WaitingRef = builder.objectRef<NonNullable<ReturnType<typeof waitingOf>>>('SyncRunWaiting').implement({
  description:
    'State of a run that waits for its storage: the storage responded to the run before, and now refuses connections or answers with a 5xx status. All reads and writes of the run pause together.',
  fields: (t) => ({
    since: t.expose('since', { type: 'DateTime', description: 'Time of the first failure.' }),
    code: t.expose('code', { type: ErrorCodeRef, description: 'Code of the error of the last request.' }),
    nextRetryAt: t.expose('nextRetryAt', {
      type: 'DateTime',
      description: 'When the run retries. syncStorage makes the run retry at once.',
    }),
    givesUpAt: t.expose('givesUpAt', {
      type: 'DateTime',
      description: 'When the run fails if the storage still does not respond (STORAGE_PATIENCE).',
    }),
  }),
})

const finishedOrNow = (run: SyncRun) => run.finishedAt ?? new Date()

builder.node(SyncRunRef, {
  description: 'One execution of a sync or an export, as a background job.',
  id: { resolve: (run) => run.id },
  loadWithoutCache: (id, { loaders }) => loaders.run.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database.' }),
    storage: t.field({
      type: StorageRef,
      description: 'The storage of the run.',
      resolve: async (run, _args, { loaders }) => (await loaders.storage.load(run.storage))!,
    }),
    kind: t.expose('kind', { type: RunKindRef, description: 'What the run does.' }),
    relocation: t.expose('relocation', {
      type: RelocationRef,
      nullable: true,
      description: 'What a run of the kind RELOCATE does. Null for other kinds.',
    }),
    status: t.expose('status', { type: SyncStatusRef, description: 'Status of the run.' }),
    attempt: t.exposeInt('attempt', {
      description:
        'Number of the attempt, starting at 1. It grows when another worker continues the run after a crash or a shutdown.',
    }),
    failure: t.exposeString('failure', {
      nullable: true,
      description: 'Why the run failed, as text for people. Null unless its status is FAILED.',
    }),
    cancelRequested: t.exposeBoolean('cancelRequested', {
      description: 'Whether a client has requested the cancellation of the run.',
    }),
    waiting: t.field({
      type: WaitingRef,
      nullable: true,
      description: 'Why and until when the run waits for its storage. Null if the run does not wait.',
      resolve: (run) => waitingOf(run),
    }),
    counters: t.field({ type: SyncCountersRef, description: 'Counters of the run up to now.', resolve: (run) => run }),
    expectedTotal: t.expose('total', {
      type: 'SafeInt',
      nullable: true,
      description:
        'The number that `counters.listed` will reach: the chosen keys, or the objects that a RELOCATE run found. Null if the run does not know it.',
    }),
    queuedAt: t.expose('queuedAt', { type: 'DateTime', description: 'When the run was queued.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a worker first started the run. Null if none has.',
    }),
    heartbeatAt: t.expose('heartbeatAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Time of the last heartbeat of the worker. Null if no worker has started the run.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the run ended. Null if it is active.',
    }),
    durationMs: t.field({
      type: 'SafeInt',
      nullable: true,
      description:
        'Milliseconds from the start to the end of the run, or to now if it is active. Null if the run has not started.',
      resolve: (run) => (run.startedAt ? finishedOrNow(run).getTime() - run.startedAt.getTime() : null),
    }),
    ratePerSecond: t.float({
      nullable: true,
      description: 'Average number of objects listed per second since the start. Null if the run has not started.',
      resolve: (run) => {
        if (!run.startedAt) return null
        const seconds = (finishedOrNow(run).getTime() - run.startedAt.getTime()) / 1000
        return seconds > 0 ? Math.round((run.listed / seconds) * 10) / 10 : null
      },
    }),
    issues: t.connection({
      type: SyncIssueRef,
      description:
        'Objects, rows and annotations that failed, and rows that were imported only in part, newest first. A run stores at most 10,000 issues; Sluice deletes the issues of runs before the newest 100 of a storage.',
      args: { code: t.arg({ type: ErrorCodeRef, description: 'Only issues with this code. Default: all issues.' }) },
      resolve: (run, { code, ...args }, { em }) =>
        pageById(em, SyncIssueEntity, { run: run.id, ...(code && { code }) }, args),
    }),
  }),
})

SyncIssueRef.implement({
  description:
    'An object, a row of an object, or an annotation that a run could not process, and why. The run continues after an issue.',
  fields: (t) => ({
    annotation: t.field({
      type: AnnotationRef,
      nullable: true,
      description:
        'The annotation that the run could not export. Null if the issue concerns no annotation, or it was deleted.',
      resolve: (issue, _args, { loaders }) => (issue.annotation ? loaders.annotation.load(issue.annotation) : null),
    }),
    task: t.field({
      type: TaskRef,
      nullable: true,
      description:
        'The task that the run could not export in TASK format. Null if the issue concerns no task, or it was deleted.',
      resolve: (issue, _args, { loaders }) => (issue.task ? loaders.task.load(issue.task) : null),
    }),
    key: t.exposeString('key', {
      nullable: true,
      description: 'Key of the object. Null if the issue concerns no object.',
    }),
    rowGroup: t.int({
      nullable: true,
      description: 'Number of the row group in a Parquet file, starting at 0. Null if the issue concerns no row group.',
      resolve: (issue) => (issue.rowGroup < 0 ? null : issue.rowGroup),
    }),
    rowIndex: t.int({
      nullable: true,
      description:
        'Number of the row in the object, or in its row group, starting at 0. Null if the issue concerns the whole object.',
      resolve: (issue) => (issue.rowIndex < 0 ? null : issue.rowIndex),
    }),
    code: t.expose('code', { type: ErrorCodeRef, description: 'Stable code of the issue, for programs.' }),
    message: t.exposeString('message', { description: 'Description of the issue, as text for people.' }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether a retry may succeed although the object does not change.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the issue occurred.' }),
  }),
})
