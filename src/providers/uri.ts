/** The parts of a storage URI. `bucket` is empty if the scheme has none. */
export interface StorageUri {
  scheme: string
  bucket: string
  key: string
}

/** `scheme://bucket/key`. The key is exactly as stored, without escaping, so every key can be read back unchanged. */
export function formatUri({ scheme, bucket, key }: StorageUri): string {
  return `${scheme}://${bucket}/${key}`
}

/**
 * Splits a storage URI at the first `/` after the bucket. Everything after it is the key. The scheme is in lower case (RFC 3986 §3.1).
 * Null if the text is not a URI.
 */
export function parseUri(uri: string): StorageUri | null {
  const parts = /^([a-z][a-z0-9-]*):\/\/([^/]*)\/([\s\S]+)$/i.exec(uri)
  return parts ? { scheme: parts[1]!.toLowerCase(), bucket: parts[2]!, key: parts[3]! } : null
}
