import { exportSettings } from './export.ts'
import { importSettings } from './import.ts'
import type { Settings } from './kinds.ts'

/** Every setting of a storage, by its direction. */
export const storageSettings = { IMPORT: importSettings, EXPORT: exportSettings } as const satisfies Record<
  string,
  Settings
>
