import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { annotate } from '@sluice/testkit/annotate.ts'
import { startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, sync, updateStorage } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { type SeenTask, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

/** Moves an object in the bucket, as `aws s3 mv` does. */
async function move(bucket: string, body: string, from: string, to: string) {
  await world.s3.putMany(bucket, [{ key: to, body }])
  await remove(bucket, from)
}

const remove = async (bucket: string, key: string) => {
  expect((await fetch(`${world.s3.endpoint}/${bucket}/${key}`, { method: 'DELETE' })).status).toBe(204)
}

const placesOf = (tasks: SeenTask[]) => tasks.map(({ data, link }) => [link?.key, JSON.stringify(data)])

describe('a moved object', () => {
  it.each(['FLAG', 'DELETE_UNANNOTATED', 'KEEP'])(
    'in another folder keeps its task and labels, and its URI names the new key (%s)',
    async (missingPolicy) => {
      const storage = await world.storage({ objects: { 'a/1.jpg': 'one', 'a/2.jpg': 'two' }, missingPolicy })
      await sync(world.app, storage.id)
      const before = await tasksOf(world.app, storage.project)
      await annotate(world.app, [before[0]!.id])
      await move(storage.bucket, 'one', 'a/1.jpg', 'b/c/1.jpg')
      const run = await sync(world.app, storage.id)
      const after = await tasksOf(world.app, storage.project)
      // With KEEP, nothing looks for missing objects.
      if (missingPolicy === 'KEEP') return expect(after).toHaveLength(3)
      expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 0, missing: 0, deleted: 0, existed: 1 } })
      expect(placesOf(after)).toEqual([
        ['b/c/1.jpg', JSON.stringify({ file: `s3://${storage.bucket}/b/c/1.jpg` })],
        ['a/2.jpg', JSON.stringify({ file: `s3://${storage.bucket}/a/2.jpg` })],
      ])
      expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
      expect(after[0]!.annotations).toHaveLength(1)
      const [row] = await query(
        world.app.databaseUrl,
        'select max(moved)::int as moved from sync_run where storage_id = $1',
        [storage.databaseId],
      )
      expect(row.moved).toBe(1)
      expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 2, created: 0, missing: 0 } })
    },
  )

  it('with several rows keeps all tasks', async () => {
    const body = '{"n":1}\n{"n":2}\n{"n":3}\n'
    const storage = await world.storage({ objects: { 'a/rows.jsonl': body }, importMethod: 'TASKS' })
    await sync(world.app, storage.id)
    const before = await tasksOf(world.app, storage.project)
    await annotate(world.app, [before[1]!.id])
    await move(storage.bucket, body, 'a/rows.jsonl', 'b/rows.jsonl')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, missing: 0 },
    })
    const after = await tasksOf(world.app, storage.project)
    expect(after.map(({ id, link }) => [id, link?.key, link?.rowIndex])).toEqual(
      before.map(({ id, link }) => [id, 'b/rows.jsonl', link?.rowIndex]),
    )
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { existed: 1, created: 0, missing: 0, bytesRead: 0 },
    })
  })

  it('is unchanged for the next sync, although its copy is newer', async () => {
    const storage = await world.storage({ objects: { 'a/1.jpg': 'one' }, changedPolicy: 'UPDATE' })
    await sync(world.app, storage.id)
    await move(storage.bucket, 'one', 'a/1.jpg', 'b/1.jpg')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { moved: 1, updated: 0 } })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 1, updated: 0 } })
  })

  it('is not recognized if its content or name is not unique, and with detectMoves off', async () => {
    const objects = { 'a/1.jpg': 'same', 'b/1.jpg': 'same', 'c/2.jpg': 'x' }
    const twins = await world.storage({ objects })
    await sync(world.app, twins.id)
    await remove(twins.bucket, 'b/1.jpg')
    await move(twins.bucket, 'same', 'a/1.jpg', 'd/1.jpg')
    expect(await sync(world.app, twins.id)).toMatchObject({ counters: { created: 1, missing: 2 } })
    const copied = await world.storage({ objects })
    await sync(world.app, copied.id)
    await world.s3.putMany(copied.bucket, [{ key: 'e/2.jpg', body: 'x' }])
    await move(copied.bucket, 'x', 'c/2.jpg', 'f/2.jpg')
    expect(await sync(world.app, copied.id)).toMatchObject({ counters: { created: 2, missing: 1 } })
    const off = await world.storage({ objects, detectMoves: false })
    await sync(world.app, off.id)
    await move(off.bucket, 'x', 'c/2.jpg', 'f/2.jpg')
    expect(await sync(world.app, off.id)).toMatchObject({ counters: { created: 1, missing: 1 } })
    const renamed = await world.storage({ objects })
    await sync(world.app, renamed.id)
    await move(renamed.bucket, 'x', 'c/2.jpg', 'c/3.jpg')
    expect(await sync(world.app, renamed.id)).toMatchObject({ counters: { created: 1, missing: 1 } })
  })

  it('is recognized below a new prefix of the storage, in a whole folder, and does not count for maxMissing', async () => {
    const names = Array.from({ length: 600 }, (_, n) => `${n}.txt`)
    const storage = await world.storage({
      objects: Object.fromEntries(names.map((name) => [`old/${name}`, `body of ${name}`])),
      maxMissing: { count: 0 },
    })
    await sync(world.app, storage.id)
    const before = await tasksOf(world.app, storage.project)
    await annotate(world.app, [before[7]!.id])
    await world.s3.putMany(
      storage.bucket,
      names.map((name) => ({ key: `new/${name}`, body: `body of ${name}` })),
    )
    expect(
      await updateStorage(world.app, storage.id, { location: world.location(storage.bucket, { prefix: 'new/' }) }),
    ).toMatchObject({ storage: { outOfScopeLinks: 600 } })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, missing: 0 },
    })
    const after = await tasksOf(world.app, storage.project)
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    expect(after.every(({ link, data }) => link!.key.startsWith('new/') && data.file === link!.uri)).toBe(true)
  })
})

it('a file that is renamed in a local folder keeps its task, and in Redis it is another one', async () => {
  for (const kind of ['LOCAL_FILES', 'REDIS'] as const) {
    const place = await startKindWorld(kind)
    try {
      const project = await createProject(place.app)
      const path = (key: string) => join(place.app.localRoot, key)
      const put = async (key: string) => {
        if (kind === 'REDIS') return place.put(key, '{"n":1}')
        mkdirSync(dirname(path(key)), { recursive: true })
        writeFileSync(path(key), '{"n":1}')
      }
      await put('in/a/x.json')
      const settings = { skipCheck: true, importMethod: 'TASKS', filters: { include: ['**/x.json'] } }
      const { storage } = await createStorage(place.app, { projectId: project, location: place.location, ...settings })
      expect(await sync(place.app, storage.id)).toMatchObject({ counters: { created: 1 } })
      if (kind === 'LOCAL_FILES') renameSync(path('in/a'), path('in/b'))
      else {
        await put('in/b/x.json')
        await place.remove('in/a/x.json')
      }
      const counters = kind === 'REDIS' ? { created: 1, missing: 1 } : { created: 0, missing: 0 }
      expect(await sync(place.app, storage.id)).toMatchObject({ counters })
    } finally {
      await place.stop()
    }
  }
})
