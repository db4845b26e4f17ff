import { promisify } from 'node:util'
import {
  brotliDecompress,
  brotliDecompressSync,
  gunzip,
  gunzipSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import type { CompressionCodec } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { ParquetFault } from './fault.ts'

type Native = (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array | Promise<Uint8Array>

// Beyond this, unpacking would keep the server from other work for longer than a few milliseconds.
const inlineBytes = 2 ** 20

const native: Partial<Record<CompressionCodec, { now: Native; apart: Native }>> = {
  GZIP: { now: gunzipSync, apart: promisify(gunzip) },
  BROTLI: { now: brotliDecompressSync, apart: promisify(brotliDecompress) },
  ZSTD: { now: zstdDecompressSync, apart: promisify(zstdDecompress) },
}

/**
 * Unpacks the values of a page to exactly `length` bytes; large ones on another thread, where the codec allows it.
 * @throws ParquetFault if the unpacked length differs, or the codec is not supported.
 */
export async function decompress(packed: Buffer, length: number, codec: CompressionCodec): Promise<Buffer> {
  // Writers leave out the packed form of nothing.
  if (length === 0) return Buffer.alloc(0)
  if (codec === 'UNCOMPRESSED') return sized(packed, length)
  const { now, apart } = native[codec] ?? {}
  const library = codec === 'LZ4' ? unpackLz4 : compressors[codec]
  if (!now && !library) throw new ParquetFault(`the codec ${codec} is not supported`, 'UNSUPPORTED_PARQUET')
  let bytes: Uint8Array
  try {
    if (!now) bytes = library!(packed, length)
    else bytes = await (length > inlineBytes ? apart! : now)(packed, { maxOutputLength: length })
  } catch {
    throw new ParquetFault(`a page cannot be unpacked (${codec})`)
  }
  return sized(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), length)
}

/**
 * LZ4 as old writers stored it: blocks after their two sizes, as Hadoop frames them, or one block without a frame
 * (Compression.md, "LZ4"). The library's own attempt takes some blocks for frames.
 */
function unpackLz4(packed: Uint8Array, length: number): Uint8Array {
  const unpack = compressors.LZ4_RAW!
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  const blocks: { start: number; end: number; length: number }[] = []
  let [at, total] = [0, 0]
  while (at + 8 <= packed.length) {
    const [unpacked, size] = [view.getUint32(at), view.getUint32(at + 4)]
    blocks.push({ start: at + 8, end: at + 8 + size, length: unpacked })
    at += 8 + size
    total += unpacked
    if (total > length) break
  }
  if (at !== packed.length || total !== length) return unpack(packed, length)
  return Buffer.concat(blocks.map(({ start, end, length }) => unpack(packed.subarray(start, end), length)))
}

function sized(bytes: Buffer, length: number): Buffer {
  if (bytes.length === length) return bytes
  throw new ParquetFault(`a page has ${bytes.length} bytes, but its header says ${length}`)
}
