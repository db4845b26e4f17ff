import type { Abilities } from '@sluice/testkit/conformance/world.ts'
import { canBeName } from '../src/providers/gcs/object-name.ts'
import type { ProviderKind } from '../src/providers/provider.ts'
import type { ProviderName } from '../src/providers/registry.ts'

const dots = 'URLs drop dot segments, in fetch as in browsers (RFC 3986 §5.2.4, WHATWG URL)'

/** What S3 promises, as its documentation has it. */
export const s3Abilities: Abilities = {
  presign: true,
  keyOrder: 'bytes',
  keyCursor: true,
  prefix: 'literal',
  folderMarkers: true,
  contentType: 'as written',
  checksums: true,
  cannotHold: {},
  cannotPresign: { 'a dot segment': dots, 'a double dot segment': dots, 'only dots': dots },
}

const noSuchName = 'Cloud Storage takes no such name (Object name requirements)'

/** What Google Cloud Storage promises. */
export const gcsAbilities: Abilities = {
  ...s3Abilities,
  checksums: false,
  cannotHold: { 'a line break': noSuchName, 'only dots': noSuchName },
  holds: canBeName,
}

// Azure, "Naming and Referencing Containers, Blobs, and Metadata"; what it says of `\` is in its SDKs' own tests.
const control = 'control characters are not allowed in names'
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what names may not have
const forbidden = /[\x00-\x1f\x7f-\x9f\ufffe\uffff\\]|\.(\/|$)/

/** What Azure Blob Storage promises. */
export const azureBlobAbilities: Abilities = {
  ...s3Abilities,
  checksums: false,
  keyOrder: 'any',
  keyCursor: false,
  cannotHold: {
    'a backslash': 'Azure stores \\ as /',
    'a line break': control,
    'a control character': control,
    'a dot segment': dots,
    'a double dot segment': dots,
    'only dots': dots,
    'dots in a name': 'no path segment of a name should end with a dot',
  },
  cannotPresign: {},
  holds: (key) => !forbidden.test(key),
}

/** What Redis promises. */
export const redisAbilities: Abilities = {
  ...s3Abilities,
  checksums: false,
  presign: false,
  keyOrder: 'any',
  keyCursor: false,
  contentType: 'from the name',
  versions: false,
  cannotPresign: {},
}

const declared: Partial<Record<ProviderName, Abilities>> = {
  S3: s3Abilities,
  GCS: gcsAbilities,
  AZURE_BLOB: azureBlobAbilities,
  REDIS: redisAbilities,
}

/** What servers of a kind are held to. A kind that is not named here promises what most clouds do. */
export function abilitiesOf(name: ProviderName, { canPresign }: Pick<ProviderKind, 'canPresign'>): Abilities {
  return declared[name] ?? { ...s3Abilities, checksums: false, presign: canPresign, keyOrder: 'any', keyCursor: false }
}
