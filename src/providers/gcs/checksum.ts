import { type Checksum, readChecksum } from '../checksum.ts'

/**
 * The checksum of the stored bytes in `x-goog-hash` (Cloud Storage, "Hashes and ETags"): `crc32c=…,md5=…`. Composite objects
 * have no MD5. Undefined if the server decompressed the response ("Transcoding of gzip-compressed files"), because its bytes
 * are not the stored ones.
 */
export function gcsChecksum(headers: Headers): Checksum | undefined {
  const isTranscoded =
    headers.get('x-goog-stored-content-encoding') === 'gzip' && headers.get('content-encoding') !== 'gzip'
  if (isTranscoded) return undefined
  const given = headers.get('x-goog-hash') ?? ''
  const value = (name: string) => new RegExp(`(?:^|[,\\s])${name}=([A-Za-z0-9+/=]+)`).exec(given)?.[1]
  return readChecksum('MD5', value('md5')) ?? readChecksum('CRC32C', value('crc32c'))
}
