import type { KindAbilities } from '../provider.ts'
import { canBeName } from './object-name.ts'

const dots = 'URLs drop dot segments, in fetch as in browsers (RFC 3986 §5.2.4, WHATWG URL)'
const noSuchName = 'Cloud Storage takes no such name (Object name requirements)'

/** What Google Cloud Storage promises. */
export const abilities: KindAbilities = {
  keyOrder: 'bytes',
  keyCursor: true,
  prefix: 'literal',
  folderMarkers: true,
  contentType: 'as written',
  cannotHold: { 'a line break': noSuchName, 'only dots': noSuchName },
  cannotPresign: { 'a dot segment': dots, 'a double dot segment': dots, 'only dots': dots },
  holds: canBeName,
}
