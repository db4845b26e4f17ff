import { boundText } from './binding.ts'
import type { ProviderKind } from './provider.ts'
import { type ProviderName, providers } from './registry.ts'

/** The columns of a storage that its sealed secrets are bound to. */
export interface SealedRow {
  id: number
  project: number
  direction: string
  provider: ProviderName
  location: Record<string, unknown>
}

/**
 * The context that the secrets of a storage are sealed with: its row, its kind and the bound parts of its location. Sealed
 * secrets cannot be unsealed if they are copied to another row, or if the location is changed in the database.
 */
export function storageContext({ id, project, direction, provider, location }: SealedRow): string {
  const kind: ProviderKind = providers[provider]
  return JSON.stringify(['storage', id, project, direction, provider, boundText(kind.boundTo, location)])
}
