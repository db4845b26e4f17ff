import { expect, it } from 'vitest'
import { playRows } from '../../torture/rows-stage.ts'

const differencesOf = (verdicts: Awaited<ReturnType<typeof playRows>>) =>
  verdicts.flatMap(({ seed, differences }) => differences.map((difference) => `seed ${seed}, ${difference}`))
const sumOf = (verdicts: { kills: number; labels: number }[], name: 'kills' | 'labels') =>
  verdicts.reduce((total, verdict) => total + verdict[name], 0)

it('labels stay at their items while files change and workers are killed: 20 seeds', async () => {
  // A killed worker is missed for seconds in which nothing happens, so two stages play at the same time.
  const verdicts = (await Promise.all([1, 11].map((first) => playRows({ first, seeds: 10 })))).flat()
  expect(differencesOf(verdicts)).toEqual([])
  expect(sumOf(verdicts, 'labels')).toBeGreaterThan(100)
  expect(sumOf(verdicts, 'kills')).toBeGreaterThan(10)
}, 900_000)

it('labels stay at their items while files change: 40 seeds', async () => {
  const verdicts = await playRows({ first: 1_001, seeds: 40, killShare: 0 })
  expect(differencesOf(verdicts)).toEqual([])
  expect(sumOf(verdicts, 'labels')).toBeGreaterThan(200)
}, 900_000)
