import { parseArgs } from 'node:util'
import { startSync } from '@sluice/testkit/scenario.ts'
import pg from 'pg'
import { startGenerated } from '../bench/generated-s3.ts'
import { connectBucket } from '../bench/sync.ts'
import { decodeId } from '../src/graphql/ids.ts'
import { createRandom, type Random } from './random.ts'
import { setStage } from './stage.ts'
import { createWorkers } from './workers.ts'

const usage = `npm run torture:ranges -- [options]
Imports large buckets with 2 to 8 processes, and checks that their key ranges do not overlap.
  --rounds N   number of imports (default 100)
  --seed N     seed of the random choices (default: random, printed at the start)`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    help: { type: 'boolean', default: false },
  },
})
const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
if (values.help || ![rounds, seed].every(Number.isInteger)) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}

console.log(`${rounds} imports from seed ${seed} …`)
const [stage, s3] = await Promise.all([setStage(), startGenerated()])
const { url, connection, drop } = await stage.createDatabase()
const workers = createWorkers({
  DATABASE_URL: url,
  DATA_DIR: stage.folder,
  ASSIST_AFTER: '1',
  EGRESS_ALLOWED: '127.0.0.0/8',
})
const database = new pg.Client(connection)
await database.connect()
const random = createRandom(seed)
let bad = 0
let splits = 0
try {
  for (let round = 0; round < rounds; round++) {
    // The number of processes only grows, since each takes seconds to start.
    const processes = 2 + Math.floor((round * 7) / rounds)
    while (workers.all.length < processes) await workers.start()
    const faults = await importOnce(random)
    if (faults.length > 0) bad++
  }
} finally {
  await workers.stop()
  await database.end()
  await drop()
  await Promise.all([stage.stop(), s3.stop()])
}
console.log(`${rounds} imports with ${splits} splits; ${bad} of them with differences.`)
process.exit(bad === 0 && splits > rounds ? 0 : 1)

/** Imports a bucket of random size and delay, and prints one line. What is wrong with the run, in words. */
async function importOnce(random: Random): Promise<string[]> {
  const keys = random.whole(60, 300) * 1_000
  const delayMs = random.whole(20, 200)
  const { client } = random.pick(workers.all)
  const storage = await connectBucket({ client, s3 }, `keys-${keys}-${delayMs}`, 'FILES')
  const begun = performance.now()
  const run = await endOf(await startSync(client, storage))
  const { rows: ranges } = await database.query(
    'select after, until, done, pages from sync_shard where run_id = $1 order by after nulls first',
    [run.id],
  )
  splits += ranges.length - 1
  const faults: string[] = []
  if (run.status !== 'COMPLETED') faults.push(`${run.status}: ${run.failure}`)
  if (run.attempt !== 1) faults.push(`attempt ${run.attempt}`)
  if (Number(run.listed) !== keys) faults.push(`listed ${run.listed} of ${keys} keys`)
  const accounted = [run.created, run.existed, run.skipped, run.failed].map(Number).reduce((a, b) => a + b)
  if (accounted !== Number(run.listed)) faults.push(`${accounted} objects accounted for, ${run.listed} listed`)
  ranges.forEach(({ after, until, done }, n) => {
    if (after !== (n === 0 ? null : ranges[n - 1].until)) faults.push(`range ${n} begins at ${after}`)
    if (until === null && n < ranges.length - 1) faults.push(`range ${n} has no end`)
    if (!done) faults.push(`range ${n} is not done`)
  })
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1)
  const what = `${workers.all.length} processes, ${keys} keys, ${delayMs} ms a page: ${ranges.length} ranges, ${seconds} s`
  console.log(faults.length === 0 ? `fine ${what}` : `BAD  ${what}\n     ${faults.join('\n     ')}`)
  return faults
}

/** The row of a run once it has ended. */
async function endOf(id: string) {
  const number = Number(decodeId(id).id)
  for (;;) {
    const { rows } = await database.query('select * from sync_run where id = $1', [number])
    if (!['QUEUED', 'IN_PROGRESS'].includes(rows[0].status)) return rows[0]
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
