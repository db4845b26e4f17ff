import type { ExportFormat } from '../entities/storage.ts'
import type { SluiceError } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import { type CommonInput, type Draft, type DraftTarget, draftCommon, type StorageParts } from './draft.ts'
import { fingerprintOf } from './place.ts'

/** The settings of an export storage; absent ones keep their value or default. */
export interface ExportStorageInput extends CommonInput {
  exportFormat?: ExportFormat | null | undefined
  nameTemplate?: string | null | undefined
  autoExport?: boolean | null | undefined
  canDeleteObjects?: boolean | null | undefined
}

/** The row of an export storage as it would be saved. @throws ValidationError, NotFoundError */
export async function draftExport(parts: StorageParts, target: DraftTarget, input: ExportStorageInput): Promise<Draft> {
  const { common, own } = await draftCommon(parts, target, input, (stored, faults) => {
    const exportFormat = input.exportFormat ?? stored?.exportFormat ?? 'ANNOTATION'
    if (stored && stored.exportFormat !== exportFormat) {
      faults.push({
        path: 'exportFormat',
        message: 'the format of a storage cannot be changed; create another storage',
      })
    }
    const nameTemplate = (input.nameTemplate === undefined ? stored?.nameTemplate : input.nameTemplate) || null
    const fault = nameTemplate === null ? undefined : parts.templateFault(nameTemplate, exportFormat)
    if (fault) faults.push({ path: 'nameTemplate', message: fault })
    return {
      exportFormat,
      nameTemplate,
      autoExport: input.autoExport ?? stored?.autoExport ?? true,
      canDeleteObjects: input.canDeleteObjects ?? stored?.canDeleteObjects ?? false,
    }
  })
  return { ...common, ...own, direction: 'EXPORT', fingerprint: fingerprintOf('EXPORT', common, null) }
}

/** Why nothing may be exported to the place; undefined when it may. */
export function refusalOf({ provider, location }: Draft): SluiceError | undefined {
  const kind: ProviderKind = providers[provider as ProviderName]
  return kind.refuseTarget?.(location)
}
