import { flag, limit, text } from './kinds.ts'

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
  maxRequestsPerSecond: limit({
    title: 'Requests per second',
    description:
      'Maximum number of requests that Sluice sends to the storage per second, all processes together. Presigned URLs do not count.',
    minimum: 1,
    maximum: 100_000,
    null: 'no limit',
  }),
  maxBytesPerSecond: limit({
    title: 'Bytes per second',
    description:
      'Maximum number of bytes of objects that Sluice reads from and writes to the storage per second, all processes together. Presigned URLs do not count.',
    minimum: 1_000_000,
    maximum: 1_000_000_000_000,
    null: 'no limit',
  }),
}
