import { parseArgs } from 'node:util'
import { playRows } from './rows-stage.ts'

const usage = `npm run torture:rows -- [options]
Edits files at random, labels their tasks, and syncs them while workers are killed.
  --seeds N   number of seeds (default 300)
  --seed N    the first seed (default 1)
  --kills N   how often the worker is killed during a sync, from 0 to 1 (default 0.25)`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '0.25' },
    help: { type: 'boolean', default: false },
  },
})
const [seeds, first, killShare] = [Number(values.seeds), Number(values.seed), Number(values.kills)]
if (values.help || ![seeds, first].every(Number.isInteger) || !(killShare >= 0 && killShare <= 1)) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}
const verdicts = await playRows({ first, seeds, killShare }, ({ seed, settings, kills, labels, differences }) => {
  const { format, changedPolicy, missingPolicy, rowKey } = settings
  const words = `${format} ${changedPolicy} ${missingPolicy} ${rowKey ?? '-'}: ${labels} labels, ${kills} kills`
  console.log(`${differences.length === 0 ? 'fine' : 'BAD '} seed ${seed} ${words}`)
  for (const difference of differences) console.log(`     ${difference}`)
})
const sum = (name: 'kills' | 'labels') => verdicts.reduce((total, verdict) => total + verdict[name], 0)
const bad = verdicts.filter(({ differences }) => differences.length > 0).length
console.log(
  `${verdicts.length} seeds, ${sum('labels')} labels, ${sum('kills')} workers killed; ${bad} seeds with differences.`,
)
process.exit(bad === 0 ? 0 : 1)
