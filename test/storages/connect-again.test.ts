import { annotate } from '@sluice/testkit/annotate.ts'
import { startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionOf } from '../../src/database/open.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Client = Parameters<typeof createProject>[0]

const objects = { 'in/a.json': '{"n":1}', 'in/b.jsonl': '{"n":2}\n{"n":3}\n', 'in/sub/c.json': '{"n":4}' }

const remove = (client: Client, id: string) =>
  client.request(
    `mutation ($id: ID!) { deleteStorage(id: $id) {
      ... on DeleteStorageSuccess { deletion { affectedTasks } } ... on Error { code message } } }`,
    { id },
  )

const adoptableOf = async (client: Client, id: string) => {
  const { storage } = await client.request(
    'query ($id: ID!) { storage(id: $id) { ... on ImportStorage { adoptableTasks tasksLinked(key: "in/a.json") } } }',
    { id },
  )
  return storage
}

describe('a storage that is deleted and connected again', () => {
  const connect = async (project: string, bucket: string, more: { prefix?: string; settings?: object } = {}) => {
    const location = world.location(bucket, { prefix: more.prefix ?? 'in/' })
    const settings = { importMethod: 'TASKS', skipCheck: true, ...more.settings }
    const { storage } = await createStorage(world.app, { projectId: project, location, ...settings })
    return storage as { id: string; databaseId: number }
  }

  it('adopts its tasks with their labels, and imports only what is new', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    const first = await connect(project, bucket)
    expect(await sync(world.app, first.id)).toMatchObject({ counters: { created: 4 } })
    const before = await tasksOf(world.app, project)
    await annotate(world.app, [before[0]!.id])
    expect(await remove(world.app, first.id)).toMatchObject({ deleteStorage: { deletion: { affectedTasks: 4 } } })
    expect((await tasksOf(world.app, project)).map(({ link }) => link)).toEqual([null, null, null, null])
    await world.s3.putMany(bucket, [{ key: 'in/d.json', body: '{"n":5}' }])
    const second = await connect(project, bucket)
    expect(await adoptableOf(world.app, second.id)).toEqual({ adoptableTasks: 4, tasksLinked: 0 })
    expect(await sync(world.app, second.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, existed: 3, updated: 0, missing: 0 },
    })
    expect(await adoptableOf(world.app, second.id)).toEqual({ adoptableTasks: 0, tasksLinked: 1 })
    const after = await tasksOf(world.app, project)
    expect(after.slice(0, 4).map(({ id, link }) => [id, link?.key, link?.rowIndex])).toEqual(
      before.map(({ id, link }) => [id, link?.key, link?.rowIndex]),
    )
    expect(after[0]!.annotations).toHaveLength(1)
    expect(after).toHaveLength(5)
    const [row] = await query(
      world.app.databaseUrl,
      'select count(*)::int as count from storage where detached_at is not null and project_id = (select project_id from storage where id = $1)',
      [second.databaseId],
    )
    expect(row.count).toBe(0)
  })

  it('leaves no secret, no run and no trace in the API meanwhile', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    const { id, databaseId } = await connect(project, bucket)
    await sync(world.app, id)
    await remove(world.app, id)
    const [row] = await query(
      world.app.databaseUrl,
      `select secrets, last_run, (select count(*)::int from sync_run where storage_id = s.id) as runs from storage s where id = $1`,
      [databaseId],
    )
    expect(row).toEqual({ secrets: null, last_run: null, runs: 0 })
    const seen = await world.app.request(
      `query ($id: ID!, $project: ID!) { node(id: $id) { id } storage(id: $id) { id }
        storages(projectId: $project) { totalCount } project(id: $project) { storages { totalCount } } }`.replace(
        'project(id: $project) { storages { totalCount } }',
        '',
      ),
      { id, project },
    )
    expect(seen).toEqual({ node: null, storage: null, storages: { totalCount: 0 } })
    const again = await world.app.request(
      `mutation ($id: ID!) { syncStorage(input: { storageId: $id }) { __typename } deleteStorage(id: $id) { __typename } }`,
      { id },
    )
    expect(again).toEqual({
      syncStorage: { __typename: 'NotFoundError' },
      deleteStorage: { __typename: 'NotFoundError' },
    })
  })

  it('adopts only tasks below its prefix, and leaves the others to a further storage', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    const whole = await connect(project, bucket)
    await sync(world.app, whole.id)
    await remove(world.app, whole.id)
    const part = await connect(project, bucket, { prefix: 'in/sub/' })
    expect(await adoptableOf(world.app, part.id)).toMatchObject({ adoptableTasks: 1 })
    expect(await sync(world.app, part.id)).toMatchObject({ counters: { created: 0, existed: 1 } })
    const flat = await connect(project, bucket, { settings: { recursive: false } })
    expect(await sync(world.app, flat.id)).toMatchObject({ counters: { created: 0, existed: 2 } })
    expect(await tasksOf(world.app, project)).toHaveLength(4)
  })

  it('of another bucket, project or import method adopts nothing', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    const first = await connect(project, bucket)
    await sync(world.app, first.id)
    await remove(world.app, first.id)
    const others = [
      await connect(project, await world.bucket(objects)),
      await connect(await createProject(world.app), bucket),
      await connect(project, bucket, { settings: { importMethod: 'FILES' } }),
    ]
    for (const { id } of others) {
      expect(await adoptableOf(world.app, id)).toMatchObject({ adoptableTasks: 0 })
      expect(await sync(world.app, id)).toMatchObject({ counters: { existed: 0 } })
    }
  })

  it('adopts the rest after a crash between its links and what else it knows of their objects', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    const first = await connect(project, bucket)
    await sync(world.app, first.id)
    await remove(world.app, first.id)
    const second = await connect(project, bucket, { settings: { changedPolicy: 'UPDATE' } })
    // As the process left them that died after the last page of links.
    await query(world.app.databaseUrl, 'update import_link set storage_id = $1 where storage_id = $2', [
      second.databaseId,
      first.databaseId,
    ])
    expect(await sync(world.app, second.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, existed: 3, bytesRead: 0 },
    })
    expect(await query(world.app.databaseUrl, 'select 1 from storage where id = $1', [first.databaseId])).toEqual([])
  })

  it('adopts nothing for a run that was canceled or whose storage changed meanwhile', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    const first = await connect(project, bucket)
    await sync(world.app, first.id)
    await remove(world.app, first.id)
    const second = await connect(project, bucket)
    const holder = new pg.Client(connectionOf(world.app.databaseUrl))
    await holder.connect()
    try {
      await holder.query('begin')
      await holder.query('select 1 from import_link where storage_id = $1 for update', [first.databaseId])
      const run = await startSync(world.app, second.id)
      await until(async () => {
        const [waiting] = await query(
          world.app.databaseUrl,
          "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'select id from import_link%'",
        )
        return waiting
      })
      await query(
        world.app.databaseUrl,
        'update storage set location = location || \'{"bucket": "other"}\' where id = $1',
        [second.databaseId],
      )
      await holder.query('commit')
      expect(await finished(world.app, run)).toMatchObject({ status: 'FAILED' })
    } finally {
      await holder.end()
    }
    const links = await query(world.app.databaseUrl, 'select 1 from import_link where storage_id = $1', [
      first.databaseId,
    ])
    expect(links).toHaveLength(4)
  })

  it('and deleted again and again has each task once', async () => {
    const [project, bucket] = [await createProject(world.app), await world.bucket(objects)]
    for (const created of [4, 0, 0]) {
      const { id } = await connect(project, bucket)
      expect(await sync(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { created } })
      await remove(world.app, id)
    }
    expect(await tasksOf(world.app, project)).toHaveLength(4)
  })
})

it.each(['LOCAL_FILES', 'REDIS'] as const)(
  'in %s, a storage that is connected again adopts its tasks',
  async (kind) => {
    const place = await startKindWorld(kind)
    try {
      const project = await createProject(place.app)
      await place.put('in/a.json', '[{"n":1},{"n":2}]')
      const settings = { skipCheck: true, importMethod: 'TASKS', filters: { include: ['**/a.json'] } }
      const input = { projectId: project, location: place.location, ...settings }
      const { storage: first } = await createStorage(place.app, input)
      await sync(place.app, first.id)
      await remove(place.app, first.id)
      const { storage: second } = await createStorage(place.app, input)
      expect(await sync(place.app, second.id)).toMatchObject({
        status: 'COMPLETED',
        counters: { created: 0, existed: 1 },
      })
      expect(await tasksOf(place.app, project)).toHaveLength(2)
    } finally {
      await place.stop()
    }
  },
)
