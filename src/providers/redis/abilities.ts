import type { KindAbilities } from '../provider.ts'

/** What Redis promises. */
export const abilities: KindAbilities = {
  keyOrder: 'any',
  keyCursor: false,
  prefix: 'literal',
  folderMarkers: true,
  contentType: 'from the name',
  versions: false,
  cannotHold: {},
  cannotPresign: {},
}
