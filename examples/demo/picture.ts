import { crc32, deflateSync } from 'node:zlib'

const side = 96

/** A PNG of its own for every `n` below 65,536: a disc before a slope of colours (W3C, "Portable Network Graphics", 2003). */
export function drawPicture(n: number): Buffer {
  const base = [(n * 37) & 255, ((n >> 8) * 53) & 255, (n * 101) & 255] as const
  const radius = 12 + (n % 29)
  const rows = Buffer.alloc(side * (1 + side * 3))
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = Math.hypot(x - side / 2, y - side / 2) < radius
      const at = y * (1 + side * 3) + 1 + x * 3
      rows[at] = inside ? 255 - base[0] : base[0] + x
      rows[at + 1] = inside ? 255 - base[1] : base[1] + y
      rows[at + 2] = inside ? 255 - base[2] : base[2]
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  const [bitDepth, trueColour] = [8, 2]
  header.set([bitDepth, trueColour], 8)
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
