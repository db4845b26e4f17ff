import { type Checksum, type ChecksumAlgorithm, readChecksum } from '../checksum.ts'

// Cheapest first: native code of Node computes these, JavaScript computes those of `slowHeaderNames`.
const headerNames: [ChecksumAlgorithm, string][] = [
  ['CRC32', 'x-amz-checksum-crc32'],
  ['SHA256', 'x-amz-checksum-sha256'],
  ['SHA1', 'x-amz-checksum-sha1'],
]
const slowHeaderNames: [ChecksumAlgorithm, string][] = [
  ['CRC64NVME', 'x-amz-checksum-crc64nvme'],
  ['CRC32C', 'x-amz-checksum-crc32c'],
]

/** Directory buckets list in no order, and their ETags are not checksums (Amazon S3, "Directory bucket naming rules"). */
export const isDirectoryBucket = (bucket: string): boolean => bucket.endsWith('--x-s3')

/**
 * The checksum of the whole object in a response to GetObject (Amazon S3, "Checking object integrity"): a checksum header, or
 * the ETag if it is an MD5. The ETag is not an MD5 for multipart uploads, in directory buckets (`isDirectory`), and for objects
 * encrypted with KMS or with a customer's key ("Common response headers": ETag). Checksums of checksums, which end in
 * `-<count>`, say nothing about the whole object.
 */
export function s3Checksum(
  headers: Record<string, string | undefined>,
  { isDirectory }: { isDirectory: boolean },
): Checksum | undefined {
  return (
    given(headers, headerNames) ?? (isDirectory ? undefined : md5OfEtag(headers)) ?? given(headers, slowHeaderNames)
  )
}

function given(headers: Record<string, string | undefined>, names: typeof headerNames): Checksum | undefined {
  if (headers['x-amz-checksum-type'] === 'COMPOSITE') return undefined
  for (const [algorithm, name] of names) {
    const checksum = readChecksum(algorithm, headers[name])
    if (checksum) return checksum
  }
  return undefined
}

function md5OfEtag(headers: Record<string, string | undefined>): Checksum | undefined {
  const hex = /^"([0-9a-f]{32})"$/i.exec(headers.etag ?? '')?.[1]
  const isEncrypted =
    headers['x-amz-server-side-encryption']?.startsWith('aws:kms') ||
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined
  return hex === undefined || isEncrypted ? undefined : { algorithm: 'MD5', value: Buffer.from(hex, 'hex') }
}
