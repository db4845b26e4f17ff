import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { tell } from '@sluice/testkit/webhooks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pruneDeliveries } from '../../src/webhooks/prune.ts'

describe('the log of deliveries', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  const add = async (webhook: number, { status = 'DELIVERED', days = 0, count = 1 } = {}) => {
    const rows = await query(
      app.databaseUrl,
      `insert into webhook_delivery (webhook_id, action, payload, status, created_at, next_attempt_at)
       select $1, 'SYNC_FAILED', '{}', $2, now() - make_interval(days => $3), now() + interval '1 day'
       from generate_series(1, $4::int) returning id::int`,
      [webhook, status, days, count],
    )
    return rows.map(({ id }) => id)
  }
  const left = async (webhook: number) => {
    const rows = await query(
      app.databaseUrl,
      'select id::int from webhook_delivery where webhook_id = $1 order by id',
      [webhook],
    )
    return rows.map(({ id }) => id)
  }

  it('retains the newest 2,000 deliveries of a webhook of the last 30 days, and pending ones', async () => {
    const project = await createProject(app)
    const [busy, quiet] = [
      await tell(app, project, { url: 'http://example.com' }),
      await tell(app, project, { url: 'http://example.com' }),
    ]
    const pending = await add(busy.databaseId, { status: 'PENDING' })
    await add(busy.databaseId, { count: 3 })
    const newest = await add(busy.databaseId, { count: 2_000, status: 'FAILED' })
    await add(quiet.databaseId, { days: 31, status: 'PENDING' })
    await add(quiet.databaseId, { days: 31 })
    const young = await add(quiet.databaseId, { days: 29 })
    await pruneDeliveries(app.orm.em.fork())
    expect(await left(busy.databaseId)).toEqual([...pending, ...newest])
    expect(await left(quiet.databaseId)).toEqual(young)
    await pruneDeliveries(app.orm.em.fork())
    expect((await left(busy.databaseId)).length).toBe(2_001)
  })
})
