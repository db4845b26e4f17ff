/**
 * Whether a URL can name this blob. `.` and `..` segments vanish from a URL, up to the leading one that would reach into
 * another container (WHATWG URL standard), and Azure takes `\` for `/`: sent, such a key would be another object's. So no
 * object can have it ("Naming and Referencing Containers, Blobs, and Metadata" advises against such names).
 */
export function canBeNamed(key: string): boolean {
  return key !== '' && !key.includes('\\') && !key.split('/').some((part) => part === '.' || part === '..')
}
