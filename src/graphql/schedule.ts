import type { Storage } from '../entities/storage.ts'
import type { SyncSchedule } from '../entities/sync-schedule.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { scheduleSync, unscheduleSync } from '../sync/schedule.ts'
import { builder } from './builder.ts'
import { idOf, storageTypes } from './ids.ts'
import { StorageRef, SyncRunRef } from './refs.ts'
import { ExportScopeRef, skipUnchangedWords } from './sync.ts'

const cronWords =
  'Cron expression: minute, hour, day of month, month, day of week, such as 0 3 * * MON-FRI; with a sixth field, seconds come first.'
const timeZoneWords = 'Time zone whose clock is meant, such as Europe/Berlin.'
const jitterWords = 'Each sync starts up to so many seconds later, by chance, so that not all start at once.'

export const SyncScheduleRef = builder.objectRef<SyncSchedule>('SyncSchedule').implement({
  description:
    'When a storage is synced by itself. A time at which a sync is under way is left out; of times that were missed, one is made up for.',
  fields: (t) => ({
    cron: t.exposeString('cron', { description: cronWords }),
    timeZone: t.exposeString('timeZone', { description: timeZoneWords }),
    jitterSeconds: t.exposeInt('jitterSeconds', { description: jitterWords }),
    exportScope: t.expose('exportScope', {
      type: ExportScopeRef,
      description: 'Which annotations an export takes; means nothing for imports.',
    }),
    skipUnchanged: t.exposeBoolean('skipUnchanged', { description: skipUnchangedWords }),
    nextRunAt: t.expose('nextRunAt', { type: 'DateTime', description: 'When the next sync starts.' }),
    lastRun: t.field({
      type: SyncRunRef,
      nullable: true,
      description: 'The last sync that the schedule has started; null = none yet.',
      resolve: (schedule, _args, { loaders }) => (schedule.lastRun ? loaders.run.load(schedule.lastRun) : null),
    }),
    failuresInRow: t.exposeInt('failuresInRow', {
      description: 'How many syncs of the storage have failed since the last one that worked.',
    }),
    pausedAt: t.expose('pausedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Since when it pauses because several syncs in a row have failed: it tries again only after an hour, then after two, at most a day. A sync that works ends the pause, and so does scheduling anew. Null = it does not pause.',
    }),
    pauseReason: t.string({
      nullable: true,
      description: 'The same in words.',
      resolve: ({ pausedAt, failuresInRow, nextRunAt }) =>
        pausedAt &&
        `The last ${failuresInRow} syncs have failed, so the next one is tried at ${nextRunAt.toISOString()}. ` +
          'A sync that works ends the pause, and so does scheduling anew.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the storage got a schedule.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the schedule was last set.' }),
  }),
})

const ScheduleSyncInput = builder.inputType('ScheduleSyncInput', {
  description: 'When a storage is to be synced by itself.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the storage.' }),
    cron: t.string({ required: true, description: cronWords }),
    timeZone: t.string({ description: `${timeZoneWords} Default: UTC.` }),
    jitterSeconds: t.int({ description: `${jitterWords} Less than the time between two syncs. Default: 0.` }),
    exportScope: t.field({
      type: ExportScopeRef,
      description: 'Which annotations an export takes. Default: ALL. Not for import storages.',
    }),
    skipUnchanged: t.boolean({ description: skipUnchangedWords }),
  }),
})

builder.mutationFields((t) => ({
  scheduleSync: t.field({
    type: StorageRef,
    description:
      'Lets a storage be synced by itself, in place of the schedule that it had, from this moment on. Faults have the codes BAD_CRON, UNKNOWN_TIME_ZONE and TOO_FREQUENT.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'storage', description: 'The storage with its schedule.' },
    },
    args: { input: t.arg({ type: ScheduleSyncInput, required: true, description: 'The schedule.' }) },
    resolve: async (_root, { input: { storageId, ...input } }, { em, loaders, scheduleMinSeconds }) => {
      const id = idOf(storageTypes, storageId)
      await scheduleSync(em, id, { input, minSeconds: scheduleMinSeconds })
      loaders.scheduleOfStorage.clear(id)
      return (await loaders.storage.load(id)) as Storage
    },
  }),
  unscheduleSync: t.field({
    type: StorageRef,
    description: 'Ends the schedule of a storage, if it has one. A sync that is under way goes on.',
    errors: { types: [NotFoundError], dataField: { name: 'storage', description: 'The storage as it is now.' } },
    args: { storageId: t.arg.id({ required: true, description: 'Global id of the storage.' }) },
    resolve: async (_root, { storageId }, { em, loaders }) => {
      const id = idOf(storageTypes, storageId)
      await unscheduleSync(em, id)
      loaders.scheduleOfStorage.clear(id)
      return (await loaders.storage.load(id)) as Storage
    },
  }),
}))
