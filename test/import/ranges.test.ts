import { finished, startSync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFollowingKeys, middleOf } from '../../src/import/find-split.ts'
import { compareKeys } from '../../src/providers/key-order.ts'

describe('the split of a listing', () => {
  const cutOf = (keys: string[], from: string) => {
    const sorted = keys.toSorted(compareKeys)
    let questions = 0
    const firstAfter = async (text: string) => {
      questions++
      return sorted.find((key) => compareKeys(key, text) > 0)
    }
    return findFollowingKeys(from, firstAfter).then((following) => {
      const at = following && middleOf(following, from)
      return { at, sorted, questions: () => questions }
    })
  }

  it('is about in the middle of the remaining keys, and costs about ten LIST calls', async () => {
    const keys = Array.from({ length: 10_000 }, (_, n) => `photos/2026/${String(n).padStart(8, '0')}.jpg`)
    const { at, sorted, questions } = await cutOf(keys, keys[100]!)
    const share = sorted.filter((key) => compareKeys(key, at!) <= 0).length / keys.length
    expect(share).toBeGreaterThan(0.3)
    expect(share).toBeLessThan(0.7)
    expect(questions()).toBeLessThan(30)
  })

  it('is impossible without remaining keys', async () => {
    expect((await cutOf(['a', 'b'], 'b')).at).toBeNull()
  })

  it('is after the current position, for any keys', async () => {
    const key = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 12 })
      .filter((k) => !k.includes('\0') && !k.includes('\u{10ffff}'))
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 40 }), fc.nat(), async (keys, n) => {
        const from = keys[n % keys.length]!
        const { at } = await cutOf(keys, from)
        if (at === null) return
        expect(compareKeys(at, from)).toBeGreaterThan(0)
        expect(at.isWellFormed()).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a bucket whose listing is slow', () => {
  let world: World
  beforeAll(async () => {
    // Pages so small, and so long in coming, that listing is what takes the time on a slow machine, too.
    world = await startWorld({ LIST_CONCURRENCY: '4' }, 200)
  })
  afterAll(() => world?.stop())

  it('is listed in several ranges at once, and every object is imported and counted once', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 12_000, prefix: 'img/', suffix: '.jpg' })
    const storage = await world.storage({ bucket })
    const slow = world.front.fail({
      ...{ delayMs: 250, times: Infinity },
      match: (request) => request.operation === 'ListObjectsV2' && request.bucket === bucket,
    })
    const before = world.front.counts.ListObjectsV2 ?? 0
    const run = await finished(world.app, await startSync(world.app, storage.id))
    slow.release()
    const lists = world.front.counts.ListObjectsV2! - before
    // Hardly more than a page each, and the questions where a range may be cut.
    expect(lists).toBeLessThan(150)
    expect(run).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 12_000, matched: 12_000, created: 12_000, existed: 0, missing: 0 },
    })
    const [shards] = await query(
      world.app.databaseUrl,
      `select count(*)::int as n, count(*) filter (where done)::int as done from sync_shard s
       join sync_run r on r.id = s.run_id where r.storage_id = $1`,
      [storage.databaseId],
    )
    expect(shards.n).toBeGreaterThanOrEqual(2)
    expect(shards.done).toBe(shards.n)
  })
})
