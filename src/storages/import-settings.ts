import { ValidationError } from '../errors.ts'
import { importSettings } from '../storage-settings/import.ts'
import { type Draft, type DraftTarget, draftCommon, type StorageDeps, type StorageInput } from './draft.ts'
import { createObjectFilter } from './object-filter.ts'
import { fingerprintOf } from './place.ts'
import { readSettings } from './read-settings.ts'

/** The row of an import storage as it would be saved. @throws ValidationError, NotFoundError */
export async function draftImport(parts: StorageDeps, target: DraftTarget, input: StorageInput): Promise<Draft> {
  const { place, own } = await draftCommon(parts, target, input, (stored, faults) => {
    const read = readSettings(importSettings, { given: input, stored }, faults)
    try {
      // A stored glob that is refused today must not prevent changes of other settings.
      createObjectFilter(read.values, undefined, { isStored: input.filters === undefined })
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error
      faults.push(...error.fieldErrors)
    }
    return read
  })
  const { regexFilter, filters } = own.values
  const filter = filters ? JSON.stringify([regexFilter, filters]) : regexFilter
  return { ...place, ...own.columns, direction: 'IMPORT', fingerprint: fingerprintOf('IMPORT', place, filter) }
}
