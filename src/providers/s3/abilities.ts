import type { KindAbilities } from '../provider.ts'

const dots = 'URLs drop dot segments, in fetch as in browsers (RFC 3986 §5.2.4, WHATWG URL)'

/** What S3 promises, according to its documentation. */
export const abilities: KindAbilities = {
  keyOrder: 'bytes',
  keyCursor: true,
  prefix: 'literal',
  folderMarkers: true,
  contentType: 'as written',
  checksums: true,
  cannotHold: {},
  cannotPresign: { 'a dot segment': dots, 'a double dot segment': dots, 'only dots': dots },
}
