import type { Storage } from '../entities/storage.ts'
import type { SyncSchedule } from '../entities/sync-schedule.ts'
import { errorTable } from '../errors/table.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { scheduleSync, unscheduleSync } from '../runs/schedule.ts'
import { builder } from './builder.ts'
import { idOf, storageTypes } from './ids.ts'
import { StorageRef, SyncRunRef } from './refs.ts'
import { ExportScopeRef, skipUnchangedDescription } from './sync.ts'

const cronDescription =
  'Cron expression of five fields: minute, hour, day of month, month, day of week, such as 0 3 * * MON-FRI. With six fields, the first one is seconds. At most 200 characters.'
const timeZoneDescription = 'IANA time zone of the cron expression, such as Europe/Berlin.'
const jitterDescription =
  'Random delay in seconds (0 to this value) added to each start, so that schedules do not start at the same moment.'

export const SyncScheduleRef = builder.objectRef<SyncSchedule>('SyncSchedule').implement({
  description:
    'Starts syncs of a storage at fixed times. The schedule skips a time while a sync is queued or in progress, or while the storage is paused. After downtime, one sync starts for all missed times together.',
  fields: (t) => ({
    cron: t.exposeString('cron', { description: cronDescription }),
    timeZone: t.exposeString('timeZone', { description: timeZoneDescription }),
    jitterSeconds: t.exposeInt('jitterSeconds', { description: jitterDescription }),
    exportScope: t.expose('exportScope', {
      type: ExportScopeRef,
      description: 'Which annotations an export includes. Ignored for imports.',
    }),
    skipUnchanged: t.exposeBoolean('skipUnchanged', { description: skipUnchangedDescription }),
    nextRunAt: t.expose('nextRunAt', {
      type: 'DateTime',
      description: 'When the next sync starts, random delay included.',
    }),
    lastRun: t.field({
      type: SyncRunRef,
      nullable: true,
      description: 'The last run that this schedule started. Null if it has not started any.',
      resolve: (schedule, _args, { loaders }) => (schedule.lastRun ? loaders.run.load(schedule.lastRun) : null),
    }),
    failuresInRow: t.exposeInt('failuresInRow', {
      description:
        'Number of failed syncs of the storage since the last successful one. After 3 failures the schedule pauses.',
    }),
    pausedAt: t.expose('pausedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Start of the pause after 3 failed syncs in a row. While paused, the schedule retries after 1, 2, 4 … hours, at most 24. A successful sync or a new schedule ends the pause. Null if not paused.',
    }),
    pauseReason: t.string({
      nullable: true,
      description:
        'Why the schedule is paused, as text for people: its storage is paused (`synchronizable` is false), or syncs failed. Null if not paused.',
      resolve: async ({ storage, pausedAt, failuresInRow, nextRunAt }, _args, { loaders }) => {
        if ((await loaders.storage.load(storage))?.synchronizable === false) return errorTable.STORAGE_PAUSED.message
        if (!pausedAt) return null
        const failed = `The last ${failuresInRow} syncs failed, so the schedule retries at ${nextRunAt.toISOString()}.`
        return `${failed} A successful sync or a new schedule ends the pause.`
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the storage first received a schedule.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When scheduleSync last set the schedule.' }),
  }),
})

const ScheduleSyncInput = builder.inputType('ScheduleSyncInput', {
  description: 'A schedule for the syncs of a storage.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the storage.' }),
    cron: t.string({ required: true, description: cronDescription }),
    timeZone: t.string({ description: `${timeZoneDescription} Default: UTC.` }),
    jitterSeconds: t.int({
      description: `${jitterDescription} It must be less than the time between two syncs. Default: 0.`,
    }),
    exportScope: t.field({
      type: ExportScopeRef,
      description: 'Which annotations an export includes. Not allowed for import storages. Default: ALL.',
    }),
    skipUnchanged: t.boolean({ description: skipUnchangedDescription }),
  }),
})

builder.mutationFields((t) => ({
  scheduleSync: t.field({
    type: StorageRef,
    description:
      'Sets the schedule of a storage, and replaces the former one. Field errors have the code BAD_CRON, UNKNOWN_TIME_ZONE or TOO_FREQUENT.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'storage', description: 'The storage with its new schedule.' },
    },
    args: { input: t.arg({ type: ScheduleSyncInput, required: true, description: 'The storage and its schedule.' }) },
    resolve: async (_root, { input: { storageId, ...input } }, { em, loaders, scheduleMinSeconds }) => {
      const id = idOf(storageTypes, storageId)
      await scheduleSync(em, id, { input, minSeconds: scheduleMinSeconds })
      loaders.scheduleOfStorage.clear(id)
      return (await loaders.storage.load(id)) as Storage
    },
  }),
  unscheduleSync: t.field({
    type: StorageRef,
    description: 'Deletes the schedule of a storage, if there is one. A running sync continues.',
    errors: { types: [NotFoundError], dataField: { name: 'storage', description: 'The storage after the change.' } },
    args: { storageId: t.arg.id({ required: true, description: 'Global id of the storage.' }) },
    resolve: async (_root, { storageId }, { em, loaders }) => {
      const id = idOf(storageTypes, storageId)
      await unscheduleSync(em, id)
      loaders.scheduleOfStorage.clear(id)
      return (await loaders.storage.load(id)) as Storage
    },
  }),
}))
