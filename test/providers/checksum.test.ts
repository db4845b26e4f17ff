import { buffer } from 'node:stream/consumers'
import { environment } from '@sluice/testkit/egress.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { describe, expect, it } from 'vitest'
import { type ChecksumAlgorithm, createDigest, hasChecksum, md5Of, readChecksum } from '../../src/providers/checksum.ts'
import { gcsChecksum } from '../../src/providers/gcs/checksum.ts'
import { gcs } from '../../src/providers/gcs/kind.ts'
import { s3Checksum } from '../../src/providers/s3/checksum.ts'
import { checksumOf } from '../../src/task-files/verified.ts'

const text = Buffer.from('123456789')
// Check values of the CRC catalogue (reveng) and of RFC 1321, FIPS 180.
const values: Record<ChecksumAlgorithm, string> = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  MD5: '25f9e794323b453885f5181f1b624d0b',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
}
const base64 = (algorithm: ChecksumAlgorithm) => Buffer.from(values[algorithm], 'hex').toString('base64')

describe.each(Object.keys(values) as ChecksumAlgorithm[])('the checksum %s', (algorithm) => {
  const value = Buffer.from(values[algorithm], 'hex')

  it('of bytes in one piece or in several is the published one, and that of changed bytes is another', async () => {
    const digest = await createDigest(algorithm)
    for (const part of [text.subarray(0, 2), text.subarray(2, 2), text.subarray(2)]) digest.update(part)
    expect(await digest.matches(value)).toBe(true)
    expect(await hasChecksum(text, { algorithm, value })).toBe(true)
    expect(await hasChecksum(Buffer.from('123456780'), { algorithm, value })).toBe(false)
  })

  it('is read from base64 of its own length only', () => {
    expect(readChecksum(algorithm, base64(algorithm))).toEqual({ algorithm, value })
    for (const wrong of ['', undefined, 'AAA=', `${base64(algorithm)}-2`, 'ÿÿÿÿ']) {
      expect(readChecksum(algorithm, wrong)).toBeUndefined()
    }
  })
})

it('md5Of writes the MD5 as headers have it', () => {
  expect(md5Of(text)).toBe(base64('MD5'))
})

describe('the checksum of an S3 response', () => {
  const of = (headers: Record<string, string>, isDirectory = false) => s3Checksum(headers, { isDirectory })?.algorithm
  const etag = `"${values.MD5}"`

  it.each([
    ['an ETag that is an MD5', { etag }, 'MD5'],
    ['an ETag of a multipart upload', { etag: `"${values.MD5}-2"` }, undefined],
    ['an ETag of an object that KMS encrypts', { etag, 'x-amz-server-side-encryption': 'aws:kms' }, undefined],
    ['an ETag of one that KMS encrypts twice', { etag, 'x-amz-server-side-encryption': 'aws:kms:dsse' }, undefined],
    ['an ETag of one that S3 encrypts', { etag, 'x-amz-server-side-encryption': 'AES256' }, 'MD5'],
    [
      'an ETag of one with a key of the customer',
      { etag, 'x-amz-server-side-encryption-customer-algorithm': 'AES256' },
      undefined,
    ],
    ['a weak ETag', { etag: `W/${etag}` }, undefined],
    ['another ETag', { etag: '"1"' }, undefined],
    ['nothing', {}, undefined],
    ['CRC32', { etag, 'x-amz-checksum-crc32': base64('CRC32') }, 'CRC32'],
    ['SHA256', { etag: '"x-2"', 'x-amz-checksum-sha256': base64('SHA256') }, 'SHA256'],
    ['SHA1', { etag: '"x-2"', 'x-amz-checksum-sha1': base64('SHA1') }, 'SHA1'],
    [
      'CRC64NVME of a multipart upload',
      { etag: '"x-2"', 'x-amz-checksum-crc64nvme': base64('CRC64NVME') },
      'CRC64NVME',
    ],
    ['CRC32C', { etag: '"x-2"', 'x-amz-checksum-crc32c': base64('CRC32C') }, 'CRC32C'],
    [
      'a checksum of checksums of parts',
      { etag: '"x-2"', 'x-amz-checksum-crc32': base64('CRC32'), 'x-amz-checksum-type': 'COMPOSITE' },
      undefined,
    ],
    ['one that says so in its value', { etag: '"x-2"', 'x-amz-checksum-crc32': `${base64('CRC32')}-2` }, undefined],
  ])('is found for %s', (_what, headers, algorithm) => {
    expect(of(headers as Record<string, string>)).toBe(algorithm)
  })

  it('is no ETag in a directory bucket', () => {
    expect(of({ etag }, true)).toBeUndefined()
    expect(of({ etag, 'x-amz-checksum-crc32': base64('CRC32') }, true)).toBe('CRC32')
  })
})

describe('the checksum of a GCS response', () => {
  const of = (headers: Record<string, string>) => gcsChecksum(new Headers(headers))?.algorithm
  const both = `crc32c=${base64('CRC32C')},md5=${base64('MD5')}`

  it.each([
    ['the MD5', { 'x-goog-hash': both }, 'MD5'],
    ['the CRC32C of a composite object', { 'x-goog-hash': `crc32c=${base64('CRC32C')}` }, 'CRC32C'],
    ['none', {}, undefined],
    [
      'that of the stored bytes, which come as they are',
      { 'x-goog-hash': both, 'x-goog-stored-content-encoding': 'gzip', 'content-encoding': 'gzip' },
      'MD5',
    ],
    [
      'none where the bytes come decompressed',
      { 'x-goog-hash': both, 'x-goog-stored-content-encoding': 'gzip' },
      undefined,
    ],
  ])('is %s', (_what, headers, algorithm) => {
    expect(of(headers as Record<string, string>)).toBe(algorithm)
  })

  it('is read from two headers, too', () => {
    const headers = new Headers()
    for (const one of both.split(',').reverse()) headers.append('x-goog-hash', one)
    expect(gcsChecksum(headers)).toMatchObject({ algorithm: 'MD5' })
  })
})

it('the checksum of a composite object of GCS is its CRC32C, and a range has none', async () => {
  const server = await startGcs()
  server.createBucket('bucket', { isPublic: true })
  server.put('bucket', 'key', text, { isComposite: true })
  const location = gcs.location.parse({ bucket: 'bucket', endpoint: server.endpoint, anonymous: true })
  const provider = await gcs.open(location, {}, environment)
  try {
    const whole = await provider.read('key')
    expect(checksumOf(whole)).toEqual({ algorithm: 'CRC32C', value: Buffer.from(values.CRC32C, 'hex') })
    expect(await hasChecksum(await buffer(whole.body), checksumOf(whole)!)).toBe(true)
    const part = await provider.read('key', { range: { start: 1, end: 3 } })
    expect(checksumOf(part)).toBeUndefined()
    part.body.destroy()
  } finally {
    provider.close()
    await server.stop()
  }
})
