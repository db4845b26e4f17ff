import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { until } from '@sluice/testkit/sql.ts'
import { describe, expect, it } from 'vitest'
import { releaseMemory } from '../../src/events/release-memory.ts'

/** How often memory was released for this sequence of subscriber counts. A negative count means that the process is busy. */
async function collections(counts: number[]): Promise<number> {
  let collected = 0
  let n = -1
  const now = () => counts[n] ?? counts.at(-1)!
  const end = releaseMemory(
    () => {
      n++
      return Math.abs(now())
    },
    {
      everyMs: 1,
      load: () => (now() < 0 ? 0.5 : 0.01),
      collect: async () => {
        collected++
      },
    },
  )
  await until(() => n >= counts.length)
  await end()
  return collected
}

describe('the memory of subscribers', () => {
  it.each([
    { when: 'half of many have left', counts: [0, 5_000, 2_400, 2_400, 2_400], times: 1 },
    { when: 'more of them leave, and come and leave again', counts: [5_000, 2_400, 900, 1_500, 0, 0], times: 3 },
    { when: 'fewer than half have left', counts: [0, 5_000, 2_600], times: 0 },
    { when: 'they were few', counts: [0, 900, 0, 900, 0], times: 0 },
    { when: 'the process is busy', counts: [5_000, -2_400, -2_400], times: 0 },
    { when: 'the process is idle again', counts: [5_000, -2_400, -2_400, 2_400], times: 1 },
  ])('is released $times times when $when', async ({ counts, times }) => {
    expect(await collections(counts)).toBe(times)
  })

  it('is returned to the system', async () => {
    const module = JSON.stringify(new URL('../../src/events/release-memory.ts', import.meta.url).href)
    const script = `
      import { collectAll } from ${module}
      const residentMiB = () => process.memoryUsage.rss() / 2 ** 20
      const before = residentMiB()
      let held = Array.from({ length: 400_000 }, (_, n) => ({ n, text: 'x' + n, more: [n, n, n, () => n] }))
      const with_ = residentMiB()
      held = undefined
      await collectAll()
      console.log(JSON.stringify({ grown: with_ - before, left: residentMiB() - before }))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    const { grown, left } = JSON.parse(stdout)
    expect(grown).toBeGreaterThan(60)
    expect(left).toBeLessThan(grown / 2)
  })
})
