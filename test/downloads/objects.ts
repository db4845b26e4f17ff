import { execFileSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { join } from 'node:path'

/** An object, and the SHA-256 of what its clients make of it. */
export interface DownloadObject {
  name: string
  bytes: Buffer
  contentHash: string
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** A sound, a picture and a table of about `megabytes` each. */
export function makeObjects(megabytes: number, python: string): DownloadObject[] {
  const size = megabytes * 1_000_000
  const sound = randomFillSync(Buffer.alloc(size))
  // PCM, 16 bits, stereo, 44,100 Hz.
  const wave = Buffer.alloc(44)
  wave.write('RIFF')
  wave.writeUInt32LE(36 + size, 4)
  wave.write('WAVEfmt ', 8)
  wave.writeUInt32LE(16, 16)
  wave.writeUInt16LE(1, 20)
  wave.writeUInt16LE(2, 22)
  wave.writeUInt32LE(44_100, 24)
  wave.writeUInt32LE(176_400, 28)
  wave.writeUInt16LE(4, 32)
  wave.writeUInt16LE(16, 34)
  wave.write('data', 36)
  wave.writeUInt32LE(size, 40)
  const width = 3_000
  const height = Math.ceil(size / (3 * width))
  const pixels = randomFillSync(Buffer.alloc(3 * width * height))
  const table = execFileSync(python, [join(import.meta.dirname, 'clients.py'), 'make-parquet', String(size)], {
    maxBuffer: 2 ** 30,
  })
  return [
    { name: 'sound.wav', bytes: Buffer.concat([wave, sound]), contentHash: sha256(sound) },
    {
      name: 'picture.ppm',
      bytes: Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), pixels]),
      contentHash: sha256(pixels),
    },
    { name: 'table.parquet', bytes: table, contentHash: '' },
  ]
}
