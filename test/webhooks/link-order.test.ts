import { holdRun, partOf } from '@sluice/testkit/pages.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writePage } from '../../src/import/write-page.ts'

describe('the links of a storage', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ STORAGE_IN_PROGRESS_TIMER: '3600' })
  })
  afterAll(() => world?.stop())

  // What src/webhooks/cursors.ts rests on.
  it('become visible in the order of their ids, also when two pages are written at once', async () => {
    const storage = await world.storage({ objects: {} })
    const url = world.app.databaseUrl
    const [run] = await query(
      url,
      `insert into sync_run (storage_id, status, started_at, heartbeat_at) values ($1, 'IN_PROGRESS', now(), now())
       returning id::int`,
      [storage.databaseId],
    )
    const hold = await holdRun(url, run.id)
    const { em } = world.app.orm
    const commit = Promise.withResolvers<void>()
    const written = Promise.withResolvers<void>()
    const first = em.fork().transactional(async (tx) => {
      await writePage(tx, hold, partOf(['first']))
      written.resolve()
      await commit.promise
    })
    await written.promise
    const second = writePage(em.fork(), hold, partOf(['second']))
    // The second has come as far as it can before the commit of the first.
    await until(async () => {
      const waiting = await query(
        url,
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%with held%'
           and datname = current_database()`,
      )
      return waiting.length > 0
    })
    const links = () =>
      query(url, 'select key from import_link where storage_id = $1 order by id', [storage.databaseId])
    expect(await links()).toEqual([])
    commit.resolve()
    await Promise.all([first, second])
    expect(await links()).toEqual([{ key: 'first' }, { key: 'second' }])
  })
})
