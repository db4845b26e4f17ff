/** The parts of a storage URI. `bucket` is empty where a scheme has none. */
export interface StorageUri {
  scheme: string
  bucket: string
  key: string
}

/** `scheme://bucket/key`, the key exactly as stored: no character is escaped, so that any key survives unchanged. */
export function formatUri({ scheme, bucket, key }: StorageUri): string {
  return `${scheme}://${bucket}/${key}`
}

/** Splits a storage URI at the first `/` after the bucket; null when it is none. The key is everything behind, unread. */
export function parseUri(uri: string): StorageUri | null {
  const parts = /^([a-z][a-z0-9-]*):\/\/([^/]*)\/([\s\S]+)$/.exec(uri)
  return parts ? { scheme: parts[1]!, bucket: parts[2]!, key: parts[3]! } : null
}
