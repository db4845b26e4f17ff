import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { Random } from './random.ts'

/** What a bucket holds, and how it is imported. */
export interface Contents {
  importMethod: 'FILES' | 'TASKS'
  objects: { key: string; body: string | Uint8Array }[]
  /** Keys in a page of the listing. */
  maxKeys: number
}

/** Contents with some 10 to 40 pages: many small files, or task files of all kinds with broken ones and broken rows among them. */
export function contentsOf(random: Random): Contents {
  const importMethod = random.chance(0.4) ? 'FILES' : 'TASKS'
  const count = importMethod === 'FILES' ? random.whole(1_500, 5_000) : random.whole(150, 500)
  const body = importMethod === 'FILES' ? () => '' : () => taskFile(random)
  const objects = Array.from({ length: count }, (_, n) => ({ key: keyOf(n, random), body: body() }))
  return { importMethod, objects, maxKeys: Math.ceil(count / random.whole(10, 40)) }
}

const folders = ['photos/', 'photos/2026/', 'text/', 'ünïcode ✓/', '\u{1f4c1}/', '\uff21/']

const keyOf = (n: number, random: Random) =>
  `${random.pick(folders)}${random.whole(0, 999)}-${String(n).padStart(6, '0')}${random.pick(['.json', '', '.jpg', ' +.gz'])}`

/** One task file, mostly of a single task, now and then of so many rows that a page is written in several parts. */
function taskFile(random: Random): string | Uint8Array {
  const kind = random.whole(0, 99)
  if (kind < 60) return JSON.stringify(taskOf(random))
  if (kind < 68) return JSON.stringify(tasksOf(random, random.whole(0, 30)))
  if (kind < 80) return lines(random, random.whole(1, 40))
  if (kind < 85) return gzipSync(lines(random, random.whole(1, 60)))
  if (kind < 90) return parquet(random, random.whole(1, 40))
  if (kind < 92) return lines(random, random.whole(1_100, 2_500))
  return broken(random)
}

function taskOf(random: Random): object {
  const data = { n: random.whole(0, 1e9), text: random.pick(['red', 'grün', '\u{1f534}', 'NUL \u0000 inside', '']) }
  if (random.chance(0.6)) return data
  const result = [{ type: 'choices', value: { choices: [random.pick(['cat', 'dog'])] } }]
  return {
    data,
    ...(random.chance(0.5) && { predictions: [{ result, score: random.whole(0, 100) / 100, model_version: 'v1' }] }),
    ...(random.chance(0.5) && { annotations: [{ id: random.whole(1, 1e6), result, lead_time: 1.5 }] }),
    ...(random.chance(0.3) && { meta: { source: 'torture' } }),
    ...(random.chance(0.3) && { allow_skip: false }),
  }
}

const tasksOf = (random: Random, count: number) => Array.from({ length: count }, () => taskOf(random))

function lines(random: Random, count: number): string {
  const badRow = ['{"n":', '[]', '17', '{"predictions":[]}', '{"data":{},"annotations":7}']
  const rows = tasksOf(random, count).map((task) => (random.chance(0.02) ? random.pick(badRow) : JSON.stringify(task)))
  return rows.join('\n')
}

function parquet(random: Random, count: number): Uint8Array {
  const numbers = Array.from({ length: count }, () => random.whole(0, 1e9))
  const columnData = [
    { name: 'n', data: numbers, type: 'INT32' as const },
    { name: 'text', data: numbers.map((n) => `row ${n}`), type: 'STRING' as const },
  ]
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: random.whole(1, 20) }))
}

/** A file that cannot be read, or not to its end. */
function broken(random: Random): string | Uint8Array {
  const whole = gzipSync(lines(random, 300))
  const columns = parquet(random, 30)
  return random.pick([
    '{"n": 1',
    'id,name\n1,Ann\n2,Bob\n',
    '',
    'null',
    '[{"n":1},{"n":2},nonsense',
    new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46]),
    whole.subarray(0, whole.length >> 1),
    columns.subarray(0, columns.length - 20),
  ])
}
