import mime from 'mime'

/** The content type that a key's extension stands for; undefined when it is unknown. */
export function contentTypeOf(key: string): string | undefined {
  return mime.getType(key) ?? undefined
}
