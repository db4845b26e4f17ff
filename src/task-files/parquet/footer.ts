import { type FileMetaData, parquetMetadata } from 'hyparquet'
import { ParquetFault } from './fault.ts'
import type { FileBytes } from './file-bytes.ts'

// Most footers are smaller, so that one request reads them.
const tailBytes = 2 ** 19

/**
 * Reads the footer of a file.
 * @throws ParquetFault when it is missing, as in a file that was cut off, damaged or encrypted
 */
export async function readFooter(file: FileBytes): Promise<FileMetaData> {
  const from = Math.max(0, file.byteLength - tailBytes)
  const tail = Buffer.from(await file.slice(from, file.byteLength))
  const magic = tail.toString('latin1', tail.length - 4)
  if (magic === 'PARE') throw new ParquetFault('it is encrypted', 'ENCRYPTED_PARQUET')
  if (file.byteLength < 12 || magic !== 'PAR1') {
    throw new ParquetFault(
      'its end is missing: it was cut off, or never written to its end. All of its rows are missing',
    )
  }
  const needed = tail.readUInt32LE(tail.length - 8) + 8
  if (needed > file.byteLength - 4) {
    throw new ParquetFault('its beginning is missing, or its footer is damaged. All of its rows are missing')
  }
  const missing = needed > tail.length ? Buffer.from(await file.slice(file.byteLength - needed, from)) : Buffer.alloc(0)
  try {
    return parquetMetadata(missing.length > 0 ? Buffer.concat([missing, tail]) : tail, { geoparquet: false })
  } catch {
    throw new ParquetFault('its footer is damaged. All of its rows are missing')
  }
}
