import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { deleteTasks, keysOf, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('an import of files', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('creates one task for each object, and none the second time', async () => {
    const { app } = world
    const objects = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`img/${i}.jpg`, 'x']))
    const storage = await world.storage({ objects: { ...objects, 'img/': '' }, importMethod: 'FILES' })
    const run = await sync(app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 6, skipped: 1, created: 5, existed: 0 } })
    const again = await sync(app, storage.id)
    expect(again).toMatchObject({ status: 'COMPLETED', counters: { listed: 6, skipped: 1, created: 0, existed: 5 } })
    const tasks = await tasksOf(app, storage.project)
    expect(tasks.map((task) => task.innerId)).toEqual([1, 2, 3, 4, 5])
    expect(tasks[0]).toMatchObject({
      data: { file: `s3://${storage.bucket}/img/0.jpg` },
      link: { key: 'img/0.jpg', uri: `s3://${storage.bucket}/img/0.jpg`, rowIndex: null },
    })
  })

  it('reads no object at all', async () => {
    const storage = await world.storage({ objects: { a: 'x', b: 'x' } })
    const before = world.front.counts.GetObject ?? 0
    await sync(world.app, storage.id)
    expect(world.front.counts.GetObject ?? 0).toBe(before)
  })

  it('puts the URI under the data key of the project', async () => {
    const { app } = world
    const project = await createProject(app)
    await app.request(
      `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) { ... on Error { message } } }`,
      { input: { id: project, dataKey: 'image' } },
    )
    const storage = await world.storage({ project, objects: { 'a.jpg': 'x' } })
    await sync(app, storage.id)
    expect((await tasksOf(app, project))[0]?.data).toEqual({ image: `s3://${storage.bucket}/a.jpg` })
  })

  it('matches regexFilter from the start of the full key, not necessarily to its end', async () => {
    const objects = { 'in/a.jpg': '', 'in/b.png': '', 'x/in/c.jpg': '', 'in/sub/': '' }
    const storage = await world.storage({ objects, regexFilter: 'in/.*\\.jp' })
    const run = await sync(world.app, storage.id)
    expect(run.counters).toMatchObject({ listed: 4, skipped: 3, matched: 1, created: 1 })
    expect(await keysOf(world.app, storage.project)).toEqual(['in/a.jpg'])
  })

  it('imports one level under the prefix if recursive is false', async () => {
    const bucket = await world.bucket({ 'p/a': '', 'p/b/c': '', 'p/d': '', q: '' })
    const location = world.location(bucket, { prefix: 'p/' })
    const storage = await world.storage({ bucket, location, recursive: false })
    await sync(world.app, storage.id)
    expect(await keysOf(world.app, storage.project)).toEqual(['p/a', 'p/d'])
  })

  it('uses the prefix literally', async () => {
    const bucket = await world.bucket({ 'photo/1': '', 'photos/1': '', 'phot/1': '' })
    const storage = await world.storage({ bucket, location: world.location(bucket, { prefix: 'photo' }) })
    await sync(world.app, storage.id)
    expect(await keysOf(world.app, storage.project)).toEqual(['photo/1', 'photos/1'])
  })

  it('stores keys unchanged', async () => {
    const keys = ['%41.jpg', ' lead', 'a b+c&d.jpg', 'dot/..x', 'quote".jpg', 'schön/ü.jpg', 'x//y', '😀.png']
    const storage = await world.storage({ objects: Object.fromEntries(keys.map((key) => [key, ''])) })
    await sync(world.app, storage.id)
    expect((await keysOf(world.app, storage.project)).sort()).toEqual(keys.sort())
  })

  it('completes on an empty bucket', async () => {
    const storage = await world.storage({ objects: {} })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 0, created: 0 },
    })
  })

  it('imports a deleted task again at the next sync, together with new objects', async () => {
    const { app, s3 } = world
    const storage = await world.storage({ objects: { a: '', b: '' } })
    await sync(app, storage.id)
    const [first] = await tasksOf(app, storage.project)
    expect(await deleteTasks(app, [first!.id])).toBe(1)
    await s3.put(storage.bucket, 'c', '')
    expect(await sync(app, storage.id)).toMatchObject({ counters: { listed: 3, created: 2, existed: 1 } })
    const tasks = await tasksOf(app, storage.project)
    expect(tasks.map(({ innerId, link }) => [innerId, link?.key])).toEqual([
      [2, 'b'],
      [3, 'a'],
      [4, 'c'],
    ])
  })

  it('fails with a message and imports nothing if the storage cannot be listed', async () => {
    const storage = await world.storage({ bucket: 'not-there' })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'FAILED', counters: { listed: 0 } })
    expect(run.failure).toMatch(/^There is no bucket "not-there"/)
    const { node } = await world.app.request(
      `query ($id: ID!) { node(id: $id) { ... on Storage { status failure } } }`,
      {
        id: storage.id,
      },
    )
    expect(node).toEqual({ status: 'FAILED', failure: run.failure })
  })

  it('imports local files end to end', async () => {
    const { app } = world
    mkdirSync(join(app.localRoot, 'photos/deep'), { recursive: true })
    for (const name of ['b.jpg', 'a.jpg', 'deep/c.jpg']) writeFileSync(join(app.localRoot, 'photos', name), name)
    const project = await createProject(app)
    const { storage } = await createStorage(app, { projectId: project, location: { localFiles: { path: 'photos' } } })
    expect(await sync(app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
    expect((await tasksOf(app, project)).map((task) => task.data.file)).toEqual([
      'local-files:///photos/a.jpg',
      'local-files:///photos/b.jpg',
      'local-files:///photos/deep/c.jpg',
    ])
    rmSync(join(app.localRoot, 'photos'), { recursive: true })
    const run = await sync(app, storage.id)
    expect(run).toMatchObject({ status: 'FAILED', failure: expect.stringMatching(/^The folder does not exist/) })
  })
})
