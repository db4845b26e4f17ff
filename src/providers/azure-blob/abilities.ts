import type { KindAbilities } from '../provider.ts'

const dots = 'URLs drop dot segments, in fetch as in browsers (RFC 3986 §5.2.4, WHATWG URL)'

// Azure, "Naming and Referencing Containers, Blobs, and Metadata". The rule for `\` is from the tests of the SDKs.
const control = 'control characters are not allowed in names'
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what names may not have
const forbidden = /[\x00-\x1f\x7f-\x9f\ufffe\uffff\\]|\.(\/|$)/

/** What Azure Blob Storage promises. */
export const abilities: KindAbilities = {
  keyOrder: 'any',
  keyCursor: false,
  prefix: 'literal',
  folderMarkers: true,
  contentType: 'as written',
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
