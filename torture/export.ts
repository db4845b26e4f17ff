import { parseArgs } from 'node:util'
import { playExportRound } from './export-round.ts'
import { setStage } from './stage.ts'

const usage = `npm run torture:export -- [options]
Exports annotations while workers are killed, and compares the objects with the database.
  --rounds N   number of rounds, with three kills each (default 20)
  --seed N     seed of the first round; each further round adds 1 (default: random, printed at the start)`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    help: { type: 'boolean', default: false },
  },
})
const [rounds, firstSeed] = [Number(values.rounds), Number(values.seed)]
if (values.help || ![rounds, firstSeed].every(Number.isInteger)) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}

console.log(`${rounds} rounds from seed ${firstSeed} …`)
const stage = await setStage()
let kills = 0
let bad = 0
for (let round = 0; round < rounds; round++) {
  const verdict = await playExportRound(stage, firstSeed + round)
  kills += verdict.kills
  const isFine = verdict.differences.length === 0
  if (!isFine) bad++
  console.log(
    `${isFine ? 'fine' : 'BAD '} seed ${verdict.seed}: ${verdict.kills} kills, ${verdict.seconds.toFixed(1)} s`,
  )
  for (const difference of verdict.differences) console.log(`     ${difference}`)
}
await stage.stop()
console.log(
  `${kills} workers killed in ${rounds} rounds; ${bad} rounds ended with missing, outdated or superfluous objects.`,
)
process.exit(bad === 0 ? 0 : 1)
