import { type BareInsert, bareClient, bareGet, bareList } from './bare.ts'
import { type Cost, measure, quantile } from './measure.ts'
import type { Stage } from './stage.ts'
import { connectBucket, expectCounters, syncToEnd } from './sync.ts'

/** The same objects, `count` of them, by us and by a bare loop: objects per second in each round, and what our first round took. */
export interface Comparison {
  count: number
  ours: number[]
  bare: Record<string, number[]>
  cost: Cost
}

/** Import of `count` real files of the emulator; see `measureKeys`. */
export async function measureFiles(
  stage: Stage,
  insert: BareInsert,
  { count, rounds }: { count: number; rounds: number },
): Promise<Keys> {
  const bucket = 'bench-files'
  await stage.s3.createBucket(bucket)
  await stage.s3.seed(bucket, { count, prefix: 'photos/2026/', suffix: '.jpg', size: 16 })
  return measureKeys(stage, insert, { endpoint: stage.s3.endpoint, bucket, count, rounds })
}

/** An import of files that are all new, and a second sync of the same. */
export interface Keys {
  first: Comparison
  again: Comparison
}

/**
 * Import of the `count` files of a bucket, all of them new, and a second sync of the same files, each beside the bare
 * operations it is made of. The rounds alternate, so that a slow moment of the machine meets all alike. The second sync is
 * made `moreAgain` times more, each beside a listing of its own: right after an import the database vacuums what it got.
 */
export async function measureKeys(
  { client: graphql }: Pick<Stage, 'client'>,
  insert: BareInsert,
  {
    endpoint,
    bucket,
    count,
    rounds,
    moreAgain = 0,
  }: { endpoint: string; bucket: string; count: number; rounds: number; moreAgain?: number },
): Promise<Keys> {
  const client = bareClient(endpoint)
  const rates = { list: [] as number[], insert: [] as number[], first: [] as number[], again: [] as number[] }
  const listAgain: number[] = []
  let costs: { first: Cost; again: Cost } | undefined
  for (let round = 0; round < rounds; round++) {
    const list = await measure(() => bareList(client, bucket))
    const inserted = await measure(() => insert.insert(bucket, list.value))
    list.value.length = 0
    const storage = await connectBucket({ client: graphql, s3: { endpoint } }, bucket, 'FILES')
    const first = await measure(() => syncToEnd(graphql, storage))
    expectCounters(first.value, { listed: count, created: count, failed: 0 })
    const again = await measure(() => syncToEnd(graphql, storage))
    expectCounters(again.value, { listed: count, created: 0, existed: count })
    rates.list.push(count / list.seconds)
    rates.insert.push(count / inserted.seconds)
    rates.first.push(count / first.seconds)
    rates.again.push(count / again.seconds)
    listAgain.push(count / list.seconds)
    costs ??= { first, again }
    for (let more = 0; more < moreAgain; more++) {
      const other = await measure(async () => (await bareList(client, bucket)).length)
      const later = await measure(() => syncToEnd(graphql, storage))
      expectCounters(later.value, { listed: count, created: 0, existed: count })
      listAgain.push(count / other.seconds)
      rates.again.push(count / later.seconds)
    }
  }
  client.destroy()
  const { list, insert: inserts } = rates
  return {
    first: { count, ours: rates.first, bare: { list, insert: inserts }, cost: costs!.first },
    again: { count, ours: rates.again, bare: { list: listAgain }, cost: costs!.again },
  }
}

/** Import of `count` task files beside a loop that only reads them, with as many reads at a time. */
export async function measureTasks(
  stage: Stage,
  { count, rounds }: { count: number; rounds: number },
): Promise<Comparison> {
  const bucket = 'bench-tasks'
  await stage.s3.createBucket(bucket)
  const body = JSON.stringify({
    data: { image: 's3://bench-files/photos/2026/{n}.jpg', text: 'What is to be seen here?', number: '{n}' },
    predictions: [{ model_version: 'bench', score: 0.5, result: [{ type: 'choices', value: { choices: ['cat'] } }] }],
  })
  await stage.s3.seed(bucket, { count, prefix: 'tasks/', suffix: '.json', body })
  const client = bareClient(stage.s3.endpoint)
  const keys = (await bareList(client, bucket)).map(({ key }) => key)
  const [get, ours]: [number[], number[]] = [[], []]
  let cost: Cost | undefined
  for (let round = 0; round < rounds; round++) {
    const bare = await measure(() => bareGet(client, bucket, { keys, concurrency: stage.readConcurrency }))
    const storage = await connectBucket(stage, bucket, 'TASKS')
    const sync = await measure(() => syncToEnd(stage.client, storage))
    expectCounters(sync.value, { listed: count, created: count, failed: 0 })
    get.push(count / bare.seconds)
    ours.push(count / sync.seconds)
    cost ??= sync
  }
  client.destroy()
  return { count, ours, bare: { get }, cost: cost! }
}

/** Ours over the slowest bare operation of the same round, in the middle of the rounds: neighbours share the machine's mood. */
export function ratio({ ours, bare }: Comparison): number {
  return quantile(ours.map((rate, round) => rate / Math.min(...Object.values(bare).map((rates) => rates[round]!))))
}
