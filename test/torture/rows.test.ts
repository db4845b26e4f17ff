import { expect, it } from 'vitest'
import { playRows } from '../../torture/rows-stage.ts'

it('labels stay at their items while files change and workers are killed: 20 seeds', async () => {
  const verdicts = await playRows({ first: 1, seeds: 20 })
  expect(
    verdicts.flatMap(({ seed, differences }) => differences.map((difference) => `seed ${seed}, ${difference}`)),
  ).toEqual([])
  const sum = (name: 'kills' | 'labels') => verdicts.reduce((total, verdict) => total + verdict[name], 0)
  expect(sum('labels')).toBeGreaterThan(100)
  expect(sum('kills')).toBeGreaterThan(10)
}, 300_000)
