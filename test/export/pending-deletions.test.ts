import { annotate, createTasks, deleteAnnotations } from '@sluice/testkit/annotate.ts'
import { drained, objectsOf, pending, target } from '@sluice/testkit/exports.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const errorFields = '__typename ... on Error { code message } ... on ConflictError { pendingExports }'

async function deleteStorage(id: string, options: { dryRun?: boolean; force?: boolean | null } = {}) {
  const { deleteStorage: deleted } = await world.app.request(
    `mutation ($id: ID!, $dryRun: Boolean, $force: Boolean) { deleteStorage(id: $id, dryRun: $dryRun, force: $force) {
      ... on DeleteStorageSuccess { deletion { affectedTasks pendingExports dryRun } } ${errorFields} } }`,
    { id, ...options },
  )
  return deleted
}

async function deleteProject(id: string, options: { force?: boolean } = {}) {
  const { deleteProject: deleted } = await world.app.request(
    `mutation ($id: ID!, $force: Boolean) { deleteProject(id: $id, force: $force) {
      ... on DeleteProjectSuccess { deletedId } ${errorFields} } }`,
    { id, ...options },
  )
  return deleted
}

/** A target whose bucket is down, with tasks whose annotations are pending. `release` brings the bucket back. */
async function setUp(tasks: number, settings: Record<string, unknown> = {}) {
  const place = await target(world, settings)
  const down = world.front.fail({ reset: true, match: ({ bucket }) => bucket === place.bucket, times: 1e9 })
  const ids = await createTasks(
    world.app,
    place.project,
    Array.from({ length: tasks }, (_, n) => ({ n })),
  )
  const annotations = await annotate(world.app, ids)
  return { ...place, annotations, release: down.release }
}

const conflict = (pendingExports: number) => ({
  __typename: 'ConflictError',
  code: 'PENDING_EXPORTS',
  message: expect.stringContaining(`${pendingExports} change`),
  pendingExports,
})

describe('pending exports', () => {
  it('prevent the deletion of their storage until they are written', async () => {
    const { id, bucket, release } = await setUp(3)
    expect(await deleteStorage(id)).toEqual(conflict(3))
    expect(await deleteStorage(id, { force: null })).toEqual(conflict(3))
    expect(await deleteStorage(id, { dryRun: true })).toMatchObject({
      deletion: { affectedTasks: 0, pendingExports: 3, dryRun: true },
    })
    expect((await pending(world.app, id)).count).toBe(3)
    release()
    await drained(world.app, id)
    expect(await deleteStorage(id)).toMatchObject({ deletion: { pendingExports: 0, dryRun: false } })
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(3)
  })

  it('prevent the deletion of their project until they are written, and nothing of it is deleted', async () => {
    const one = await setUp(2)
    const two = await setUp(3, { project: one.project, exportFormat: 'TASK' })
    expect(await deleteProject(one.project)).toEqual(conflict(2 + 3 + 3))
    const count = `query ($id: ID!) { project(id: $id) { tasks { totalCount } } }`
    expect(await world.app.request(count, { id: one.project })).toEqual({ project: { tasks: { totalCount: 5 } } })
    one.release()
    two.release()
    for (const { id } of [one, two]) await drained(world.app, id)
    expect(await deleteProject(one.project)).toMatchObject({ deletedId: one.project })
    expect(Object.keys(await objectsOf(world, one.bucket))).toHaveLength(5)
    expect(Object.keys(await objectsOf(world, two.bucket))).toHaveLength(3)
  })

  it.each([['storage'], ['project']])('are lost with force: %s', async (what) => {
    const { id, databaseId, project, release } = await setUp(2)
    const deleted =
      what === 'storage' ? await deleteStorage(id, { force: true }) : await deleteProject(project, { force: true })
    expect(deleted).toMatchObject(what === 'storage' ? { deletion: { pendingExports: 2 } } : { deletedId: project })
    release()
    expect(await query(world.app.databaseUrl, 'select 1 from outbox where storage_id = $1', [databaseId])).toEqual([])
  })

  it('count also when they remove objects, when the storage is paused, and when automatic exports are off', async () => {
    const { id, annotations, release } = await setUp(1, { canDeleteObjects: true })
    release()
    await drained(world.app, id)
    const update = `mutation ($input: UpdateExportStorageInput!) { updateExportStorage(input: $input) { __typename } }`
    await world.app.request(update, { input: { id, synchronizable: false, autoExport: false } })
    await deleteAnnotations(
      world.app,
      annotations.map((one) => one.id),
    )
    expect(await deleteStorage(id)).toEqual(conflict(1))
  })

  it('do not prevent the deletion of an import storage, and other projects do not matter', async () => {
    const { project, release } = await setUp(1)
    const source = await world.storage({ objects: { a: 'x' }, project })
    expect(await deleteStorage(source.id)).toMatchObject({ deletion: { pendingExports: 0 } })
    const other = await world.storage({ objects: { a: 'x' } })
    expect(await deleteProject(other.project)).toMatchObject({ deletedId: other.project })
    release()
  })

  it('that are saved while the storage is deleted are refused or prevent it: none is lost', async () => {
    for (let round = 0; round < 10; round++) {
      const { id, databaseId, bucket, project } = await target(world)
      const tasks = await createTasks(world.app, project, [{ n: 1 }])
      const [deleted] = await Promise.all([deleteStorage(id), annotate(world.app, tasks)])
      if (deleted.deletion) {
        expect(await query(world.app.databaseUrl, 'select 1 from storage where id = $1', [databaseId])).toEqual([])
      } else {
        expect(deleted).toEqual(conflict(1))
        await drained(world.app, id)
        await until(async () => Object.keys(await objectsOf(world, bucket)).length === 1)
      }
    }
  })

  it('that are saved while their project is deleted are refused or prevent it, and neither fails otherwise', async () => {
    for (let round = 0; round < 3; round++) {
      const { id, project, bucket } = await target(world)
      const tasks = await createTasks(
        world.app,
        project,
        Array.from({ length: 20 }, (_, n) => ({ n })),
      )
      const saves = tasks.map((task) =>
        annotate(world.app, [task]).then(
          () => true,
          (error: Error) => {
            expect(error.message).toContain('NOT_FOUND')
            return false
          },
        ),
      )
      const deleted = await deleteProject(project)
      const saved = (await Promise.all(saves)).filter(Boolean).length
      if (deleted.deletedId) expect(saved).toBe(0)
      else {
        expect(deleted).toMatchObject({ code: 'PENDING_EXPORTS' })
        expect(saved).toBe(20)
        await drained(world.app, id)
        expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(20)
      }
    }
  })

  it('of annotations that are saved while a large project is deleted stop the deletion', async () => {
    const { id, project, bucket } = await target(world)
    const projectId = (await query(world.app.databaseUrl, 'select max(id) as id from project'))[0].id
    await query(
      world.app.databaseUrl,
      `insert into task (project_id, inner_id, data) select $1, n, '{}' from generate_series(1, 30001) n`,
      [projectId],
    )
    const [last] = await query(
      world.app.databaseUrl,
      'select id from task where project_id = $1 order by inner_id desc limit 1',
      [projectId],
    )
    const down = world.front.fail({ reset: true, match: (request) => request.bucket === bucket, times: 1e9 })
    const taskId = Buffer.from(`Task:${last.id}`).toString('base64')
    const first = deleteProject(project)
    await until(async () => {
      const [{ count }] = await query(world.app.databaseUrl, 'select count(*)::int from task where project_id = $1', [
        projectId,
      ])
      return count < 30_001
    })
    const saved = await annotate(world.app, [taskId]).then(
      () => true,
      () => false,
    )
    const deleted = await first
    if (saved) expect(deleted).toEqual(conflict(1))
    else expect(deleted).toMatchObject({ deletedId: project })
    down.release()
    if (!saved) return
    await drained(world.app, id)
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(1)
    expect(await deleteProject(project)).toMatchObject({ deletedId: project })
  })
})
