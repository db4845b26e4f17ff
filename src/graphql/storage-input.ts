import { NotFoundError, ValidationError } from '../errors.ts'
import { ConnectionCheckError } from '../storages/check.ts'
import { DuplicateStorageError, OverlappingStorageError, type SaveOptions } from '../storages/save.ts'
import type { builder } from './builder.ts'
import { locationInput } from './location.ts'

/** The settings of a storage as an input type gives them. */
interface SettingsInput {
  location?: Record<string, unknown> | null | undefined
  [setting: string]: unknown
}

/** The settings without what is not one; null means absent where it cannot be a value. */
export function settingsOf({ location, ...rest }: SettingsInput) {
  return { ...rest, ...(location && { location: locationInput(location) }) }
}

/** What is to be saved, and what the person waves through. */
export function settingsAndOptions({
  skipCheck,
  skipProbe,
  allowDuplicate,
  allowOverlap,
  ...settings
}: SettingsInput & SaveOptions) {
  return [settingsOf(settings), { skipCheck, skipProbe, allowDuplicate, allowOverlap }] as const
}

/** Gives an input type its fields. */
export type InputFields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0]

/** The input fields by which a person waves something through. */
export const saveOptions = (t: InputFields) => ({
  skipCheck: t.boolean({ description: 'Save the storage without a connection check. Default: false.' }),
  allowDuplicate: t.boolean({
    description:
      'Save the storage even if the project already has one with the same location and filters. Default: false.',
  }),
  allowOverlap: t.boolean({
    description:
      'Save the storage even if an import storage of the project would import what an export storage writes. Default: false.',
  }),
})

/** The input field by which a person keeps the check of a target from writing. */
export const probeOption = (t: InputFields) => ({
  skipProbe: t.boolean({
    description:
      'Check an export storage without writing and removing a probe object, for example where removing is forbidden. Default: false.',
  }),
})

/** What saving a storage can answer with. */
export const saveErrors = {
  types: [ValidationError, NotFoundError, DuplicateStorageError, OverlappingStorageError, ConnectionCheckError],
  dataField: { name: 'storage', description: 'The storage after the change.' },
}
