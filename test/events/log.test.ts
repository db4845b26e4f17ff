import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pruneEvents, readEvents, retention } from '../../src/events/log.ts'

describe('pruning the event log', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())
  beforeEach(() => query(app.databaseUrl, 'truncate event restart identity'))

  const add = (kind: 'STATUS' | 'PROGRESS', { run = 1, ago = '1 minute', count = 1 } = {}) =>
    query(
      app.databaseUrl,
      `insert into event (kind, project, storage, run, payload, created_at)
       select $1, 1, 1, $2, '{}', now() - $3::interval from generate_series(1, $4)`,
      [kind, run, ago, count],
    )
  const idsAfter = async (bounds?: Partial<typeof retention>) => {
    const em = app.orm.em.fork()
    await pruneEvents(em, { ...retention, ...bounds })
    return (await readEvents(em, 0)).map(({ id }) => id)
  }

  it('retains the last 24 hours', async () => {
    await add('STATUS', { ago: '25 hours' })
    await add('STATUS', { ago: '23 hours' })
    await add('STATUS')
    expect(await idsAfter()).toEqual([2, 3])
  })

  it('retains the newest event regardless of its age, because readers continue from its id', async () => {
    await add('STATUS', { ago: '4 days', count: 3 })
    expect(await idsAfter()).toEqual([3])
  })

  it('deletes old progress that a later event of the same run replaces, but no status', async () => {
    await add('STATUS', { ago: '20 minutes' })
    await add('PROGRESS', { ago: '19 minutes', count: 2 })
    await add('PROGRESS', { ago: '18 minutes', run: 2 })
    await add('STATUS', { ago: '17 minutes' })
    await add('PROGRESS', { run: 3, count: 2 })
    expect(await idsAfter()).toEqual([1, 4, 5, 6, 7])
  })

  it('limits the number of events', async () => {
    await add('STATUS', { count: 30 })
    expect(await idsAfter({ count: 10 })).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
    expect(await idsAfter({ count: 10 })).toHaveLength(10)
  })
})
