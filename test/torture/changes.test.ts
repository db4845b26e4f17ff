import { beforeAll, describe, expect, it } from 'vitest'
import { placeKinds } from '../../torture/changes/place.ts'
import { type ChangesVerdict, playChanges, scenarioNames } from '../../torture/changes/play.ts'

// More seeds: npm run torture:changes -- --seeds 50
const first = Number(process.env.CHANGES_SEED ?? 1)
const seeds = Number(process.env.CHANGES_SEEDS ?? 1)

let verdicts: ChangesVerdict[]
beforeAll(async () => {
  verdicts = await playChanges({ first, seeds, killShare: 0.05 })
}, 600_000)

describe.each(scenarioNames)('random %s with three workers, of which some are killed', (scenario) => {
  it.each(placeKinds)('leave the tasks, links, labels and counters of the model (%s)', (kind) => {
    const played = verdicts.filter((one) => one.scenario === scenario && one.kind === kind)
    expect(played.length).toBe(seeds)
    expect(played.flatMap(({ seed, differences }) => differences.map((one) => `seed ${seed}: ${one}`))).toEqual([])
    expect(Math.min(...played.map(({ runs }) => runs))).toBeGreaterThan(4)
  })
})
