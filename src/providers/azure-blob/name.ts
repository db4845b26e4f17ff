/**
 * Whether a URL can name this blob. URLs drop `.` and `..` segments; a leading `..` would even reach another container (WHATWG
 * URL standard). Azure treats `\` as `/`. So a request for such a key would address another object, and no object has such a
 * key ("Naming and Referencing Containers, Blobs, and Metadata" advises against such names).
 */
export function canBeNamed(key: string): boolean {
  return key !== '' && !key.includes('\\') && !key.split('/').some((part) => part === '.' || part === '..')
}
