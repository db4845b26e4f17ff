import { sync } from '@sluice/testkit/scenario.ts'
import { query, statementsOf, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// The look for rounds, and what a progress event costs, of which there are 4 a second: a transaction, and its readers.
const byTheClock =
  /from round|^(begin|commit|start transaction)|sluice_events|from event|from webhook|from project where/

describe('an import of many files', () => {
  let world: World
  beforeAll(async () => {
    // No heartbeat and no rounds, which go by the clock, while statements are counted.
    world = await startWorld({ STORAGE_IN_PROGRESS_TIMER: '3600' })
    const { databaseUrl } = world.app
    await until(async () => (await query(databaseUrl, 'select from round')).length > 0)
    await query(databaseUrl, `update round set due_at = 'infinity'`)
  })
  afterAll(() => world?.stop())

  /** Syncs; what it took. */
  async function cost(storageId: string) {
    const listsBefore = world.front.counts.ListObjectsV2 ?? 0
    let run: Awaited<ReturnType<typeof sync>>
    const statements = await statementsOf(async () => {
      run = await sync(world.app, storageId)
    })
    return {
      run: run!,
      lists: (world.front.counts.ListObjectsV2 ?? 0) - listsBefore,
      writes: statements.filter((text) => text.includes('insert into import_link')).length,
      lookups: statements.filter((text) => text.includes('known as materialized')).length,
      all: statements.filter((text) => !byTheClock.test(text)).length,
    }
  }

  async function storageOf(count: number) {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count, prefix: 'img/', suffix: '.jpg' })
    return world.storage({ bucket })
  }

  it('lists once per 1,000 keys, and its SQL statements grow with pages, not with objects', async () => {
    const small = await storageOf(1_000)
    const large = await storageOf(10_000)
    const one = await cost(small.id)
    const ten = await cost(large.id)
    expect(one).toMatchObject({ run: { status: 'COMPLETED', counters: { created: 1_000 } }, lists: 1, writes: 1 })
    expect(ten).toMatchObject({ run: { status: 'COMPLETED', counters: { created: 10_000 } }, lists: 10 })
    // One statement finds what is known, one writes the page.
    expect(ten).toMatchObject({ writes: 10, lookups: 10 })
    expect(one.all).toBeLessThan(60)
    // And now and then one that begins a connection of the pool, or reads the run for a subscriber.
    expect(ten.all - one.all).toBeLessThan(9 * 4)
  })

  it('needs as many LIST calls and writes nothing the second time', async () => {
    const storage = await storageOf(3_000)
    await cost(storage.id)
    const again = await cost(storage.id)
    expect(again).toMatchObject({ run: { counters: { listed: 3_000, existed: 3_000, created: 0 } }, lists: 3 })
    const [rows] = await query(
      world.app.databaseUrl,
      `select count(*)::int as tasks, count(distinct inner_id)::int as numbers, max(inner_id)::int as last
       from task t join import_link l on l.task_id = t.id where l.storage_id = $1`,
      [storage.databaseId],
    )
    expect(rows).toEqual({ tasks: 3_000, numbers: 3_000, last: 3_000 })
  })
})
