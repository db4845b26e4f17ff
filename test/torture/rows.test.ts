import { expect, it } from 'vitest'
import { playRows } from '../../torture/rows-stage.ts'

it('labels stay at their items while files change and workers are killed: 20 seeds', async () => {
  // A killed worker is missed for seconds in which nothing happens, so two stages play at the same time.
  const stages = [1, 11].map((first) => playRows({ first, seeds: 10 }))
  const verdicts = (await Promise.all(stages)).flat()
  expect(
    verdicts.flatMap(({ seed, differences }) => differences.map((difference) => `seed ${seed}, ${difference}`)),
  ).toEqual([])
  const sum = (name: 'kills' | 'labels') => verdicts.reduce((total, verdict) => total + verdict[name], 0)
  expect(sum('labels')).toBeGreaterThan(100)
  expect(sum('kills')).toBeGreaterThan(10)
}, 900_000)
