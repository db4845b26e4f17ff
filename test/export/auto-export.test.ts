import { annotate, createTasks, deleteAnnotations, updateAnnotation } from '@sluice/testkit/annotate.ts'
import { startTestApp } from '@sluice/testkit/app.ts'
import { drained, exportLinks, objectsOf, pending, target } from '@sluice/testkit/exports.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { deleteTasks } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const label = (n: number) => [{ value: { n } }]
const puts = (bucket: string) => (request: { operation: string; bucket: string }) =>
  request.operation === 'PutObject' && request.bucket === bucket

/** A target, with tasks of its project. */
async function setUp(tasks: number, settings: Record<string, unknown> = {}) {
  const place = await target(world, settings)
  const ids = await createTasks(
    world.app,
    place.project,
    Array.from({ length: tasks }, (_, n) => ({ n, uri: 's3://b/ä' })),
  )
  return { ...place, tasks: ids }
}

describe('a saved annotation', () => {
  it('is written unchanged, with its task, under the prefix', async () => {
    const { id, databaseId, bucket, tasks } = await setUp(1)
    const [annotation] = await annotate(world.app, tasks, label(1))
    expect((await pending(world.app, id)).count).toBe(1)
    await drained(world.app, id)
    const key = `out/${annotation!.databaseId}.json`
    expect(await objectsOf(world, bucket)).toEqual({
      [key]: {
        id: annotation!.databaseId,
        result: label(1),
        was_cancelled: false,
        completed_by: 'admin',
        lead_time: 1.5,
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        updated_at: expect.any(String),
        task: expect.objectContaining({ inner_id: 1, data: { n: 0, uri: 's3://b/ä' }, predictions: [] }),
      },
    })
    expect(await exportLinks(world, databaseId)).toEqual({ [annotation!.databaseId]: key })
  })

  it('is written once when it is saved five times in a second, in its last version', async () => {
    const { id, bucket, tasks } = await setUp(1)
    const seen = world.front.fail({ hold: true, match: puts(bucket), times: 100 })
    const [annotation] = await annotate(world.app, tasks, label(0))
    for (let n = 1; n < 5; n++) await updateAnnotation(world.app, { id: annotation!.id, result: label(n) })
    expect((await pending(world.app, id)).count).toBe(1)
    await seen.met
    seen.release()
    await drained(world.app, id)
    expect(seen.hits).toBe(1)
    expect(Object.values(await objectsOf(world, bucket))).toMatchObject([{ result: label(4) }])
  })

  it('is written again if it changes during the write', async () => {
    const { id, bucket, tasks } = await setUp(1)
    const held = world.front.fail({ hold: true, match: puts(bucket) })
    const [annotation] = await annotate(world.app, tasks, label(0))
    await held.met
    await updateAnnotation(world.app, { id: annotation!.id, result: label(1) })
    held.release()
    await drained(world.app, id)
    expect(Object.values(await objectsOf(world, bucket))).toMatchObject([{ result: label(1) }])
  })

  it('is not written to a storage without autoExport', async () => {
    const { id, tasks } = await setUp(1, { autoExport: false })
    await annotate(world.app, tasks)
    expect((await pending(world.app, id)).count).toBe(0)
  })

  it('is saved at once while the bucket is down, and its last version is written when the bucket is back', async () => {
    const { id, databaseId, bucket, tasks } = await setUp(100)
    const down = world.front.fail({ reset: true, match: puts(bucket), times: 1e9 })
    const made = await annotate(world.app, tasks, label(0))
    await down.met
    for (let round = 1; round < 10; round++) {
      await Promise.all(
        made.map(async ({ id: annotation }, n) => {
          expect(
            (await updateAnnotation(world.app, { id: annotation, result: label(round * 1_000 + n) })).annotation,
          ).toBeTruthy()
        }),
      )
    }
    await until(async () => (await pending(world.app, id)).failure)
    expect((await pending(world.app, id)).count).toBe(100)
    const since = '{ node(id: $id) { ... on ExportStorage { pendingSince } } }'
    const { node } = await world.app.request(`query ($id: ID!) ${since}`, { id })
    const [oldest] = await query(
      world.app.databaseUrl,
      'select min(created_at) as at from outbox where storage_id = $1',
      [databaseId],
    )
    expect(node.pendingSince).toBe(oldest.at.toISOString())
    down.release()
    await drained(world.app, id)
    const objects = await objectsOf(world, bucket)
    expect(Object.keys(objects)).toHaveLength(100)
    for (const [n, { databaseId: annotation }] of made.entries()) {
      expect(objects[`out/${annotation}.json`].result).toEqual(label(9_000 + n))
    }
    expect(Object.keys(await exportLinks(world, databaseId))).toHaveLength(100)
  })

  it('is never overwritten by an older version when several workers write', async () => {
    const other = await startTestApp({}, { url: world.app.databaseUrl })
    const { id, bucket, tasks } = await setUp(20)
    const made = await annotate(world.app, tasks, label(0))
    for (let round = 1; round <= 15; round++) {
      const client = round % 2 ? world.app : other
      await Promise.all(
        made.map(({ id: annotation }) => updateAnnotation(client, { id: annotation, result: label(round) })),
      )
      // Some rounds meet writes that are under way.
      if (round % 5 === 0) await until(async () => (await pending(world.app, id)).count < 20)
    }
    await drained(world.app, id)
    const objects = Object.values(await objectsOf(world, bucket))
    expect(objects.map(({ result }) => result)).toEqual(made.map(() => label(15)))
    await other.stop()
  })
})

describe('a deleted annotation', () => {
  it('deletes its object if the storage allows it, even if the write is still pending', async () => {
    const { id, bucket, tasks } = await setUp(3, { canDeleteObjects: true })
    const made = await annotate(world.app, tasks)
    await drained(world.app, id)
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(3)
    expect(await deleteAnnotations(world.app, [made[0]!.id])).toBe(1)
    await drained(world.app, id)
    expect(Object.keys(await objectsOf(world, bucket)).sort()).toEqual(
      made
        .slice(1)
        .map(({ databaseId }) => `out/${databaseId}.json`)
        .sort(),
    )
    // Tasks take their annotations along.
    await deleteTasks(world.app, [tasks[1]!])
    await drained(world.app, id)
    expect(Object.keys(await objectsOf(world, bucket))).toEqual([`out/${made[2]!.databaseId}.json`])
    // While its write is under way.
    const held = world.front.fail({ hold: true, match: puts(bucket) })
    await updateAnnotation(world.app, { id: made[2]!.id, result: label(7) })
    await held.met
    await deleteAnnotations(world.app, [made[2]!.id])
    held.release()
    await drained(world.app, id)
    expect(await objectsOf(world, bucket)).toEqual({})
  })

  it('deletes the object of its first write if that write is in progress', async () => {
    const { id, bucket, tasks } = await setUp(1, { canDeleteObjects: true })
    const held = world.front.fail({ hold: true, match: puts(bucket) })
    const [annotation] = await annotate(world.app, tasks)
    await held.met
    await deleteAnnotations(world.app, [annotation!.id])
    held.release()
    await drained(world.app, id)
    expect(await objectsOf(world, bucket)).toEqual({})
  })

  it('does not delete its object if the storage forbids deletion', async () => {
    const { id, databaseId, bucket, tasks } = await setUp(1)
    const [annotation] = await annotate(world.app, tasks)
    await drained(world.app, id)
    const deletes = world.front.counts.DeleteObject ?? 0
    await deleteAnnotations(world.app, [annotation!.id])
    expect((await pending(world.app, id)).count).toBe(0)
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(1)
    expect(await exportLinks(world, databaseId)).toEqual({})
    expect(world.front.counts.DeleteObject ?? 0).toBe(deletes)
  })
})

describe('an export in TASK format', () => {
  it('writes all annotations of a task to one object, rewrites it without a deleted one, and removes it with the last', async () => {
    const { id, databaseId, bucket, tasks } = await setUp(1, { exportFormat: 'TASK', canDeleteObjects: true })
    const [task] = tasks
    const made = await annotate(world.app, [task!, task!, task!])
    expect((await pending(world.app, id)).count).toBe(1)
    await drained(world.app, id)
    const [row] = await query(world.app.databaseUrl, 'select max(task_id)::int as id from annotation where id = $1', [
      made[0]!.databaseId,
    ])
    const key = `out/${row.id}.json`
    const read = async () =>
      (await objectsOf(world, bucket))[key]?.annotations.map(({ id: one }: { id: number }) => one)
    expect(await read()).toEqual(made.map(({ databaseId: one }) => one))
    expect(await exportLinks(world, databaseId)).toEqual(Object.fromEntries(made.map((one) => [one.databaseId, key])))
    await deleteAnnotations(world.app, [made[1]!.id])
    await drained(world.app, id)
    expect(await read()).toEqual([made[0]!.databaseId, made[2]!.databaseId])
    await deleteAnnotations(world.app, [made[0]!.id, made[2]!.id])
    await drained(world.app, id)
    expect(await objectsOf(world, bucket)).toEqual({})
  })
})
