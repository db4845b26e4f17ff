import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { type BareInsert, bareClient } from './bare.ts'
import { measure } from './measure.ts'
import type { Stage } from './stage.ts'
import { connectBucket, expectCounters, syncToEnd } from './sync.ts'

/** What holds the rows. */
export type RowFormat = 'JSONL' | 'PARQUET'

/** One file of `count` rows, by us and by a bare loop. */
export interface RowsFound {
  format: RowFormat
  count: number
  /** Rows a second. */
  ours: number
  bare: number
  /** Highest resident memory of the process, in bytes, while we imported the small file and while we imported this. */
  rss: { small: number; large: number }
}

const pageSize = 1_000

/**
 * Import of one file of `count` rows in each format, beside a loop that reads the same object with the SDK, parses it with
 * the same libraries and inserts it, page by page, one after the other. Our imports come first, since what the loops take
 * of memory would hide what we take.
 */
export async function measureRows(
  stage: Stage,
  insert: BareInsert,
  { small, count }: { small: number; count: number },
): Promise<RowsFound[]> {
  const client = bareClient(stage.s3.endpoint)
  const formats: RowFormat[] = ['JSONL', 'PARQUET']
  const ours = new Map<RowFormat, { seconds: number; rss: RowsFound['rss'] }>()
  for (const format of formats) {
    const first = await importRows(stage, format, small)
    const second = await importRows(stage, format, count)
    ours.set(format, { seconds: second.seconds, rss: { small: first.rss.peak, large: second.rss.peak } })
  }
  const found: RowsFound[] = []
  for (const format of formats) {
    const write = await insert.openRows()
    const bare = await measure(() => bareRows(client, format, { bucket: bucketOf(format, count), write }))
    if (bare.value !== count) throw new Error(`The bare loop found ${bare.value} rows, not ${count}.`)
    const { seconds, rss } = ours.get(format)!
    found.push({ format, count, ours: count / seconds, bare: count / bare.seconds, rss })
  }
  client.destroy()
  return found
}

async function importRows(stage: Stage, format: RowFormat, count: number) {
  const bucket = bucketOf(format, count)
  await stage.s3.createBucket(bucket)
  const child = fork(
    new URL('./put-rows.ts', import.meta.url),
    [stage.s3.endpoint, bucket, key, format, String(count)],
    {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    },
  )
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`The file could not be put: ${code}.`)
  const storage = await connectBucket(stage, bucket, 'TASKS')
  const sync = await measure(() => syncToEnd(stage.client, storage))
  expectCounters(sync.value, { listed: 1, created: count, failed: 0 })
  return sync
}

const key = 'rows'
const bucketOf = (format: RowFormat, count: number) => `bench-${format.toLowerCase()}-${count}`

/** Number of rows. */
async function bareRows(
  client: S3Client,
  format: RowFormat,
  { bucket: Bucket, write }: { bucket: string; write: (data: string[]) => Promise<void> },
): Promise<number> {
  let rows = 0
  let page: string[] = []
  const add = async (value: unknown) => {
    page.push(JSON.stringify(value))
    if (page.length < pageSize) return
    rows += page.length
    await write(page)
    page = []
  }
  const get = async (Range?: string) =>
    (await client.send(new GetObjectCommand({ Bucket, Key: key, ...(Range && { Range }) }))).Body!
  if (format === 'JSONL') {
    for await (const line of createInterface({ input: (await get()) as Readable })) await add(JSON.parse(line))
  } else {
    const bytes = await (await get()).transformToByteArray()
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
    const metadata = await parquetMetadataAsync(file)
    let rowStart = 0
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows)
      for (const row of await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd })) await add(row)
      rowStart = rowEnd
    }
  }
  if (page.length > 0) await write(page)
  return rows + page.length
}
