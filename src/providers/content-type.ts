import mime from 'mime'

/** The content type for the extension of a key. Undefined if the extension is unknown. */
export function contentTypeOf(key: string): string | undefined {
  return mime.getType(key) ?? undefined
}
