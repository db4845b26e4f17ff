import { createHash, hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Algorithms of the checksums that services return for whole objects. */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'MD5' | 'SHA1' | 'SHA256'

/** A checksum of the stored bytes of an object. CRCs are big-endian, as services write them. */
export interface Checksum {
  algorithm: ChecksumAlgorithm
  value: Uint8Array
}

/** Computes a checksum chunk by chunk. */
interface Digest {
  update(bytes: Uint8Array): void
  /** May be called once, after the last chunk. */
  matches(value: Uint8Array): Promise<boolean>
}

const lengths: Record<ChecksumAlgorithm, number> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, MD5: 16, SHA1: 20, SHA256: 32 }

/** Decodes a checksum from base64. Returns undefined if the text is not a checksum of this algorithm. */
export function readChecksum(algorithm: ChecksumAlgorithm, base64: string | null | undefined): Checksum | undefined {
  if (!base64 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const value = Buffer.from(base64, 'base64')
  return value.length === lengths[algorithm] ? { algorithm, value } : undefined
}

const hashes = { MD5: 'md5', SHA1: 'sha1', SHA256: 'sha256' } as const
const isHash = (algorithm: ChecksumAlgorithm): algorithm is keyof typeof hashes => algorithm in hashes

let crcs: Promise<typeof import('@aws-sdk/checksums/crc')> | undefined

/** Creates an empty digest. */
export async function createDigest(algorithm: ChecksumAlgorithm): Promise<Digest> {
  if (isHash(algorithm)) {
    const digest = createHash(hashes[algorithm])
    return { update: (bytes) => void digest.update(bytes), matches: async (value) => digest.digest().equals(value) }
  }
  if (algorithm === 'CRC32') {
    let crc = 0
    return {
      update(bytes) {
        crc = crc32(bytes, crc)
      },
      matches: async (value) => crcBytes(crc).equals(value),
    }
  }
  // Loaded on first use.
  crcs ??= import('@aws-sdk/checksums/crc')
  const { Crc32c, Crc64Nvme } = await crcs
  const digest = algorithm === 'CRC32C' ? new Crc32c() : new Crc64Nvme()
  return {
    update: (bytes) => digest.update(bytes),
    matches: async (value) => Buffer.from(await digest.digest()).equals(value),
  }
}

/** Whether bytes have this checksum. For small objects, it costs less than a `Digest`. */
export async function hasChecksum(bytes: Uint8Array, { algorithm, value }: Checksum): Promise<boolean> {
  if (isHash(algorithm)) return hash(hashes[algorithm], bytes, 'buffer').equals(value)
  const digest = await createDigest(algorithm)
  digest.update(bytes)
  return digest.matches(value)
}

/** The MD5 of bytes, in base64, as in headers. */
export const md5Of = (bytes: Uint8Array): string => hash('md5', bytes, 'base64')

function crcBytes(crc: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(crc)
  return bytes
}
