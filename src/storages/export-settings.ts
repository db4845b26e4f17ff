import type { SluiceError } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import { exportSettings } from '../storage-settings/export.ts'
import { type Draft, type DraftTarget, draftCommon, type StorageDeps, type StorageInput } from './draft.ts'
import { templateFault } from './export-name.ts'
import { fingerprintOf } from './place.ts'
import { readSettings } from './read-settings.ts'

/** The row of an export storage as it would be saved. @throws ValidationError, NotFoundError */
export async function draftExport(parts: StorageDeps, target: DraftTarget, input: StorageInput): Promise<Draft> {
  const { place, own } = await draftCommon(parts, target, input, (stored, faults) => {
    const read = readSettings(exportSettings, { given: input, stored }, faults)
    const { nameTemplate, exportFormat } = read.values
    const fault = nameTemplate === null ? undefined : templateFault(nameTemplate, exportFormat)
    if (fault) faults.push({ path: 'nameTemplate', message: fault })
    return read
  })
  return { ...place, ...own.columns, direction: 'EXPORT', fingerprint: fingerprintOf('EXPORT', place, null) }
}

/** Why this location cannot be an export target. Undefined if it can. */
export function refusalOf({ provider, location }: Draft): SluiceError | undefined {
  const kind: ProviderKind = providers[provider]
  return kind.refuseTarget?.(location)
}
