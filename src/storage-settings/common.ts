import { flag, text } from './kinds.ts'

/** The settings that storages of both directions have. */
export const commonSettings = {
  title: text({
    title: 'Name',
    description: 'Name of the storage, for people.',
    null: 'no name',
  }),
  description: text({
    title: 'Notes',
    description: 'Notes for people.',
    null: 'no notes',
  }),
  synchronizable: flag({
    title: 'Synchronizable',
    description:
      'Whether syncs and exports of the storage can start. If false, the storage is paused: Sluice refuses new syncs, retries and exports of it (STORAGE_PAUSED), its schedule skips its times, and saved annotations stay pending until it is resumed. A run that is queued or in progress continues, and links still resolve.',
    default: true,
  }),
}
