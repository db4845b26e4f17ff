// Puts one task file into a bucket, from a process of its own, whose memory is not measured.
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { bareClient } from './bare.ts'
import type { RowFormat } from './rows.ts'

const [endpoint, bucket, key, format, count] = process.argv.slice(2) as [string, string, string, RowFormat, string]
const numbers = Array.from({ length: Number(count) }, (_, n) => n)
const text = (n: number) => `What is to be seen in picture ${n}? Say it in a few words.`
const image = (n: number) => `s3://bench-files/photos/2026/${n}.jpg`

const body =
  format === 'JSONL'
    ? Buffer.from(
        numbers.map((n) => `{"id":${n},"image":"${image(n)}","text":"${text(n)}","score":${n / 8}}\n`).join(''),
      )
    : Buffer.from(
        parquetWriteBuffer({
          columnData: [
            { name: 'id', data: Int32Array.from(numbers), type: 'INT32' },
            { name: 'image', data: numbers.map(image), type: 'STRING' },
            { name: 'text', data: numbers.map(text), type: 'STRING' },
            { name: 'score', data: Float64Array.from(numbers, (n) => n / 8), type: 'DOUBLE' },
          ],
          rowGroupSize: 250_000,
        }),
      )
await bareClient(endpoint).send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }))
process.exit()
