import { keysOf } from '../records.ts'
import { azureBlob } from './azure-blob/kind.ts'
import { gcs } from './gcs/kind.ts'
import { localFiles } from './local-files/kind.ts'
import type { ProviderKind } from './provider.ts'
import { redis } from './redis/kind.ts'
import { s3 } from './s3/kind.ts'

/** All kinds of storage. The GraphQL enum, the location union, the inputs and the forms are made from this table. */
export const providers = {
  S3: s3,
  GCS: gcs,
  AZURE_BLOB: azureBlob,
  REDIS: redis,
  LOCAL_FILES: localFiles,
} as const satisfies Record<string, ProviderKind>

/** Name of a kind of storage. */
export type ProviderName = keyof typeof providers

/** The names, in the order in which forms offer them. */
export const providerNames = keysOf(providers)
