import type { KindAbilities } from '../provider.ts'

const sameFile = 'a path with an empty or dot segment is another spelling of one without'

/** What folders promise. */
export const abilities: KindAbilities = {
  keyOrder: 'bytes',
  keyCursor: true,
  prefix: 'folder',
  folderMarkers: false,
  contentType: 'from the name',
  cannotHold: {
    'a doubled slash': sameFile,
    'a leading slash': sameFile,
    'two leading slashes': sameFile,
    'only a slash': sameFile,
    'a dot segment': sameFile,
    'a double dot segment': sameFile,
    'only dots': sameFile,
    'a URL': sameFile,
  },
  cannotPresign: {},
  // A path segment has at most 255 bytes.
  holds: (key) => key.split('/').every((part) => !['', '.', '..'].includes(part) && Buffer.byteLength(part) <= 255),
}
