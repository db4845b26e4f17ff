import { parseArgs } from 'node:util'
import { playChanges, type ScenarioName, scenarioNames } from './changes/play.ts'

const usage = `npm run torture:changes -- [options]
Changes files, labels, settings, places and storages at random between and during runs of three workers, which are killed now and
then, on S3 and in local folders. Compares tasks, links and labels with a model, and counters with a recount.
  --seeds N     number of seeds (default 50)
  --seed N      the first seed (default 1)
  --only NAMES  scenarios, separated by commas: ${scenarioNames.join(', ')}
  --kills N     how often a worker is killed during a run, from 0 to 1 (default 0.2)`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: scenarioNames.join(',') },
    kills: { type: 'string', default: '0.2' },
    help: { type: 'boolean', default: false },
  },
})
const [seeds, first, killShare] = [Number(values.seeds), Number(values.seed), Number(values.kills)]
const only = values.only.split(',') as ScenarioName[]
const isValid = [seeds, first].every(Number.isInteger) && only.every((name) => scenarioNames.includes(name))
if (values.help || !isValid || !(killShare >= 0 && killShare <= 1)) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}
const verdicts = await playChanges({ first, seeds, only, killShare }, (verdict) => {
  const { scenario, kind, seed, settings, runs, splits, kills, seconds, differences } = verdict
  const words = `${scenario} ${kind} seed ${seed} ${settings}: ${runs} runs${splits ? ` with ${splits} splits` : ''}, ${kills} kills, ${seconds.toFixed(1)} s`
  console.log(`${differences.length === 0 ? 'fine' : 'BAD '} ${words}`)
  for (const difference of differences) console.log(`     ${difference}`)
})
const sum = (name: 'kills' | 'runs') => verdicts.reduce((total, verdict) => total + verdict[name], 0)
const bad = verdicts.filter(({ differences }) => differences.length > 0).length
console.log(
  `${verdicts.length} scenarios, ${sum('runs')} runs, ${sum('kills')} workers killed; ${bad} scenarios with differences.`,
)
process.exit(bad === 0 ? 0 : 1)
