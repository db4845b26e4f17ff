import { parseArgs } from 'node:util'
import pg from 'pg'
import { type OutageVerdict, planOutages, playAll } from './outage-round.ts'
import { setStage } from './stage.ts'
import { createWorkers } from './workers.ts'

const usage = `npm run torture:outages -- [options]
Takes the S3 server away at random moments of imports and exports, and looks whether any object failed or was requested again.
  --rounds N    how many runs (default 30)
  --seed N      seed of the first round; the next ones count up (default: by chance, and printed)
  --longest N   longest outage in seconds: 0.5, 2, 10 or 60 (default 60)
  --parallel N  rounds at the same time (default 6)
Two processes share each import.`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    longest: { type: 'string', default: '60' },
    parallel: { type: 'string', default: '6' },
    help: { type: 'boolean', default: false },
  },
})
const [rounds, seed, parallel] = [values.rounds, values.seed, values.parallel].map(Number) as [number, number, number]
const longest = Number(values.longest)
if (values.help || ![rounds, seed, parallel].every(Number.isInteger) || !(longest >= 0.5)) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}

console.log(`${rounds} rounds from seed ${seed} …`)
const stage = await setStage()
const { url, connection, drop } = await stage.createDatabase()
const workers = createWorkers({
  DATABASE_URL: url,
  DATA_DIR: stage.folder,
  ASSIST_AFTER: '1',
  READ_CONCURRENCY: '8',
  WRITE_CONCURRENCY: '8',
  WORKER_CONCURRENCY: '6',
  EGRESS_ALLOWED: '127.0.0.0/8',
})
const database = new pg.Pool(connection)
const plans = Array.from({ length: rounds }, (_, round) => planOutages(seed + round, round, longest))
let verdicts: OutageVerdict[] = []
try {
  await workers.start()
  await workers.start()
  const clients = workers.all.map(({ client }) => client)
  verdicts = await playAll({ s3: stage.s3, database, clients }, plans, { parallel, tell })
} finally {
  await workers.stop()
  await database.end()
  await drop()
  await stage.stop()
}
const bad = verdicts.filter(({ faults }) => faults.length > 0)
const met = verdicts.reduce((sum, verdict) => sum + verdict.met, 0)
const splits = verdicts.reduce((sum, verdict) => sum + verdict.splits, 0)
console.log(`${verdicts.length} runs with ${splits} splits met ${met} outages; ${bad.length} of them with differences.`)
process.exit(bad.length === 0 && verdicts.length === rounds && met >= rounds && splits > 0 ? 0 : 1)

function tell({ plan, met, splits, faults, seconds }: OutageVerdict): void {
  const outages = plan.outages.slice(0, met).map((one) => `${one.seconds} s ${one.as}`)
  const what = `seed ${plan.seed}: ${plan.kind}, away ${outages.join(', ')}; ${splits} splits, ${seconds.toFixed(1)} s`
  console.log(faults.length === 0 ? `fine ${what}` : `BAD  ${what}\n     ${faults.join('\n     ')}`)
}
