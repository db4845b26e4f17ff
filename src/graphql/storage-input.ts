import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { ConnectionCheckError } from '../storages/check.ts'
import { DuplicateStorageError, OverlappingStorageError, type SaveOptions } from '../storages/save.ts'
import type { builder } from './builder.ts'
import { locationInput } from './location.ts'

/** The settings of a storage in the shape of an input type. */
interface SettingsInput {
  location?: Record<string, unknown> | null | undefined
  [setting: string]: unknown
}

/** Converts an input to settings. A location of null counts as absent. */
export function settingsOf({ location, ...rest }: SettingsInput) {
  return { ...rest, ...(location && { location: locationInput(location) }) }
}

/** Splits an input into the settings to save and the options that override checks. */
export function settingsAndOptions({
  skipCheck,
  skipProbe,
  allowDuplicate,
  allowOverlap,
  ...settings
}: SettingsInput & SaveOptions) {
  return [settingsOf(settings), { skipCheck, skipProbe, allowDuplicate, allowOverlap }] as const
}

/** The field builder of an input type. */
type InputFields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0]

/** Input fields that override checks. */
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

/** Input field that prevents the check of an export storage from writing a probe object. */
export const probeOption = (t: InputFields) => ({
  skipProbe: t.boolean({
    description:
      'Check an export storage without writing and removing a probe object, for example where removing is forbidden. Default: false.',
  }),
})

/** Input field that lets a change end the runs that it concerns. */
export const cancelOption = (t: InputFields) => ({
  cancelRunning: t.boolean({
    description:
      'If runs of the storage are queued or in progress and the change concerns its location, a filter or its method, cancel them first and wait until they have ended. Default: false, which returns ConflictError.',
  }),
})

/** Errors that saving a storage can return, and the name of its result. */
export const saveErrors = {
  types: [ValidationError, NotFoundError, DuplicateStorageError, OverlappingStorageError, ConnectionCheckError],
  dataField: { name: 'storage', description: 'The storage after the change.' },
}

/** Errors that a change of a storage can return, and the name of its result. */
export const updateErrors = { ...saveErrors, types: [...saveErrors.types, ConflictError] }
