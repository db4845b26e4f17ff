import { text } from './kinds.ts'

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
}
