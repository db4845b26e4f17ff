import type { ProviderKind } from '../src/providers/provider.ts'
import type { Abilities } from '../test/providers/conformance/world.ts'

const dots = 'URLs drop dot segments, in fetch as in browsers (RFC 3986 §5.2.4, WHATWG URL)'

/** What S3 promises, as its documentation has it. */
export const s3Abilities: Abilities = {
  presign: true,
  keyOrder: 'bytes',
  prefix: 'literal',
  folderMarkers: true,
  contentType: 'as written',
  cannotHold: {},
  cannotPresign: { 'a dot segment': dots, 'a double dot segment': dots, 'only dots': dots },
}

/** What servers of a kind are held to. A kind that is not named here promises what all clouds do. */
export function abilitiesOf(name: string, { canPresign }: Pick<ProviderKind, 'canPresign'>): Abilities {
  if (name === 'S3') return s3Abilities
  return { ...s3Abilities, presign: canPresign, keyOrder: 'any' }
}
