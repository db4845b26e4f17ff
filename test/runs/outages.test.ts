import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { startTestApp } from '@sluice/testkit/app.ts'
import { createTarget, exportEnd, startExport } from '@sluice/testkit/exports.ts'
import { createProject, createStorage, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { networkKinds } from '@sluice/testkit/storage-kinds.ts'
import { startWorld } from '@sluice/testkit/world.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { connectTasks, start, stopAll, stopLater, syncIntoOutage, taskFiles, waits } from './outage-place.ts'

afterEach(stopAll)

describe.each(networkKinds)('a storage that is unavailable for a while (%s)', (kind) => {
  it('makes an import wait, and no object fails', async () => {
    const world = await start(kind)
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    await waits(world.app, run)
    await world.tap.reopen()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { matched: taskFiles, created: taskFiles, failed: 0 },
      issues: [],
    })
  })

  it('makes an import wait in the middle of a large object, and every row is imported once', async () => {
    const world = await start(kind)
    const rows = Array.from({ length: 3_000 }, (_, n) => JSON.stringify({ n, pad: 'x'.repeat(1_000) }))
    await world.put('in/large.jsonl', rows.join('\n'))
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{ projectId: project, location: world.location, skipCheck: true, importMethod: 'TASKS' },
      regexFilter: '.*jsonl',
    })
    const { held } = world.tap.holdAfter(1_000_000)
    const run = await startSync(world.app, storage.id)
    await held
    world.tap.shut()
    await waits(world.app, run)
    await world.tap.reopen()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: rows.length, failed: 0 },
    })
    const [{ numbers }] = await query(
      world.app.databaseUrl,
      `select count(distinct t.data->>'n')::int as numbers from task t join import_link l on l.task_id = t.id
       where l.storage_id = $1`,
      [storage.databaseId],
    )
    expect(numbers).toBe(rows.length)
  })

  it('makes an export wait, and no annotation fails', async () => {
    const world = await start(kind, { WRITE_CONCURRENCY: '2' })
    const project = await createProject(world.app)
    const count = 120
    await annotate(
      world.app,
      await createTasks(
        world.app,
        project,
        Array.from({ length: count }, (_, n) => ({ n })),
      ),
    )
    const { storage } = await createTarget(world.app, {
      ...{ projectId: project, location: world.location, skipCheck: true, allowOverlap: true },
    })
    const { held } = world.tap.holdAfter(kind === 'REDIS' ? 400 : 4_000)
    const run = await startExport(world.app, { storageId: storage.id })
    await held
    world.tap.shut()
    await waits(world.app, run)
    await world.tap.reopen()
    expect(await exportEnd(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { selected: count, exported: count, failed: 0 },
      issues: [],
    })
  })
})

describe('an object that always fails with status 500', () => {
  it('becomes an issue, because the storage serves the others', async () => {
    const world = await startWorld()
    stopLater(() => world.stop())
    const objects = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`${n}.json`, `{"n":${n}}`]))
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    world.front.fail({
      ...{ status: 500, code: 'InternalError', times: Infinity },
      match: ({ operation, key }) => operation === 'GetObject' && key === '7.json',
    })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 39, failed: 1 },
      issues: [{ key: '7.json', code: 'UNREACHABLE' }],
    })
  })
})

describe('an import that two processes share', () => {
  it('waits in both, and ends with every task once', async () => {
    const world = await start('S3', { ASSIST_AFTER: '0.2' })
    const count = 6_000
    const put = async (n: number) => world.put(`in/${String(n).padStart(5, '0')}.json`, `{"n":${n}}`)
    for (let n = 0; n < count; n += 100) await Promise.all(Array.from({ length: 100 }, (_, at) => put(n + at)))
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{
        projectId: project,
        location: world.location,
        skipCheck: true,
        importMethod: 'TASKS',
        regexFilter: '.*json',
      },
    })
    const other = await startTestApp({ ASSIST_AFTER: '0.2', READ_CONCURRENCY: '2' }, { url: world.app.databaseUrl })
    stopLater(() => other.stop())
    const run = await startSync(world.app, storage.id)
    const holders = async () =>
      (
        await query(
          world.app.databaseUrl,
          'select distinct holder from sync_shard where not done and holder is not null',
        )
      ).length
    await until(async () => (await holders()) === 2, { what: 'a second process that takes a share' })
    world.tap.shut()
    const row = () => query(world.app.databaseUrl, 'select waiting from sync_run order by id desc limit 1')
    await until(async () => Object.keys((await row())[0].waiting ?? {}).length === 2, { what: 'both to wait' })
    await world.tap.reopen()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { matched: count, created: count, failed: 0 },
    })
  })
})
