import { parseArgs } from 'node:util'
import { type ActName, acts } from './acts.ts'
import { type Fault, type Plan, planOf } from './plan.ts'
import { report, sentence } from './report.ts'
import { playRound, type Verdict } from './round.ts'
import { type Stage, setStage } from './stage.ts'

const kinds = Object.keys(acts) as ActName[]

const usage = `npm run torture -- [options]
Imports a bucket in each round while faults are injected, and compares the result with the bucket.
  --rounds N     number of rounds (default 200)
  --seed N       seed of the first round; each further round adds 1 (default: random, printed at the start)
  --only KINDS   comma-separated faults to inject (default: all): ${kinds.join(', ')}
  --parallel N   number of rounds at the same time, each with its own servers (default 1)
  --verbose      print a line for each round, and the output of the workers in rounds with differences`

const option = (fallback: string) => ({ type: 'string' as const, default: fallback })
const { values } = parseArgs({
  options: {
    rounds: option('200'),
    seed: option(String(Math.floor(Math.random() * 1e9))),
    only: option(kinds.join(',')),
    parallel: option('1'),
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [rounds, firstSeed, parallel] = [values.rounds, values.seed, values.parallel].map(Number) as [
  number,
  number,
  number,
]
const only = values.only.split(',') as ActName[]
const unknown = only.filter((kind) => !kinds.includes(kind))
if (values.help || unknown.length > 0 || ![rounds, firstSeed, parallel].every(Number.isInteger)) {
  console.log(unknown.length > 0 ? `Unknown fault "${unknown}".\n${usage}` : usage)
  process.exit(values.help ? 0 : 2)
}

const verdicts: Verdict[] = []
let next = 0
// Ctrl-C ends with the rounds under way, and shows the table of those that were.
process.once('SIGINT', () => {
  next = rounds
})

console.log(`${rounds} rounds from seed ${firstSeed} …`)
const begun = performance.now()
await Promise.all(Array.from({ length: parallel }, lane))
console.log(report(verdicts, (performance.now() - begun) / 1_000))
process.exit(verdicts.every(isFine) ? 0 : 1)

/** Plays rounds until none is left. */
async function lane(): Promise<void> {
  const stage = await setStage()
  while (next < rounds) {
    const plan = planOf(firstSeed + next++, only)
    const verdict = await judged(stage, plan)
    verdicts.push(verdict)
    if (values.verbose || !isFine(verdict)) console.log(sentence(verdict))
    if (values.verbose && !isFine(verdict)) console.log(verdict.log.map((line) => `  ${line}`).join('\n'))
    if (!isFine(verdict)) console.log(`  repeat: npm run torture -- --rounds 1 --seed ${plan.seed}${onlyOption()}\n`)
  }
  await stage.stop()
}

/** A round that cannot be brought to its end is as bad as one that ends with a difference. */
async function judged(stage: Stage, plan: Plan): Promise<Verdict> {
  const begun = performance.now()
  const injected: Fault[] = []
  try {
    return await playRound(stage, plan, injected)
  } catch (error) {
    const differences = [`the round did not end: ${(error as Error).stack}`]
    const seconds = (performance.now() - begun) / 1_000
    return { plan, injected, restarts: 0, takeovers: 0, differences, listedAgain: [], readAgain: [], log: [], seconds }
  }
}

function isFine({ differences, listedAgain, readAgain }: Verdict): boolean {
  return differences.length + listedAgain.length + readAgain.length === 0
}

function onlyOption(): string {
  return only.length === kinds.length ? '' : ` --only ${only}`
}
