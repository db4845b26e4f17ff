import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { annotate, createTasks, updateAnnotation } from '@sluice/testkit/annotate.ts'
import {
  exportAll,
  exportChosen,
  exportEnd,
  exportLinks,
  objectsOf,
  pending,
  retryFailed,
  startExport,
  target,
} from '@sluice/testkit/exports.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

const isPut = (bucket: string, key?: string) => (request: { operation: string; bucket: string; key: string }) =>
  request.operation === 'PutObject' && request.bucket === bucket && (key === undefined || request.key === key)

const puts = () => world.front.counts.PutObject ?? 0

/** A target that only runs write to, and a project with so many annotated tasks. */
async function setUp(count: number, settings: Record<string, unknown> = {}) {
  const place = await target(world, { autoExport: false, ...settings })
  const tasks = await createTasks(world.app, place.project, numbers(count))
  const annotations = await annotate(world.app, tasks)
  return { ...place, tasks, annotations, keys: annotations.map(({ databaseId }) => `out/${databaseId}.json`) }
}

async function statusOf(id: string) {
  const { node } = await world.app.request(
    'query ($id: ID!) { node(id: $id) { ... on Storage { status lastSyncCount } } }',
    { id },
  )
  return node
}

describe('an export', () => {
  it('writes every annotation, and links it to its object', async () => {
    const { id, databaseId, bucket, annotations, keys } = await setUp(250)
    const run = await exportAll(world.app, id)
    expect(run).toMatchObject({
      status: 'COMPLETED',
      counters: { selected: 250, exported: 250, failed: 0 },
      issues: [],
    })
    expect(await statusOf(id)).toEqual({ status: 'COMPLETED', lastSyncCount: 250 })
    expect(Object.keys(await objectsOf(world, bucket)).sort()).toEqual(keys.toSorted())
    expect(await exportLinks(world, databaseId)).toEqual(
      Object.fromEntries(annotations.map(({ databaseId: one }, n) => [one, keys[n]])),
    )
    expect((await pending(world.app, id)).count).toBe(0)
    expect(await query(world.app.databaseUrl, 'select 1 from outbox where storage_id = $1', [databaseId])).toEqual([])
  })

  it('counts only acknowledged writes; failed ones are issues, and a retry writes only them', async () => {
    const { id, bucket, annotations, keys } = await setUp(100)
    const bad = [3, 50, 99]
    const faults = bad.map((n) =>
      world.front.fail({ status: 403, code: 'AccessDenied', match: isPut(bucket, keys[n]), times: 1 }),
    )
    const run = await exportAll(world.app, id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { selected: 100, exported: 97, failed: 3 } })
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1, 1])
    expect(run.issues).toHaveLength(3)
    for (const n of bad) {
      expect(run.issues).toContainEqual(
        expect.objectContaining({
          key: keys[n],
          code: 'DENIED',
          annotation: { databaseId: annotations[n]!.databaseId },
        }),
      )
    }
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(97)
    const before = puts()
    const retry = await retryFailed(world.app, run.id)
    expect(retry).toMatchObject({ status: 'COMPLETED', counters: { selected: 3, exported: 3, failed: 0 } })
    expect(puts() - before).toBe(3)
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(100)
    expect(await retryFailed(world.app, retry.id)).toMatchObject({ code: 'CONFLICT' })
  })

  it('with the scope NEW writes only what the storage does not have', async () => {
    const { id, project, annotations } = await setUp(100)
    await exportAll(world.app, id)
    await annotate(world.app, await createTasks(world.app, project, numbers(2)))
    await updateAnnotation(world.app, { id: annotations[0]!.id, result: [] })
    const before = puts()
    const run = await exportAll(world.app, id, { exportScope: 'NEW' })
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { selected: 2, exported: 2 } })
    expect(puts() - before).toBe(2)
  })

  it('skips unchanged annotations if requested', async () => {
    const { id, bucket, annotations, keys } = await setUp(10)
    await exportAll(world.app, id)
    await updateAnnotation(world.app, { id: annotations[4]!.id, result: ['new'] })
    const before = puts()
    const run = await exportAll(world.app, id, { skipUnchanged: true })
    expect(run).toMatchObject({ counters: { selected: 10, exported: 1, skipped: 9 } })
    expect(puts() - before).toBe(1)
    expect((await objectsOf(world, bucket))[keys[4]!].result).toEqual(['new'])
  })

  it('of chosen annotations does not change the status of the storage', async () => {
    const { id, bucket, annotations, keys } = await setUp(5)
    const chosen = [annotations[1]!.id, annotations[3]!.id]
    const run = await exportChosen(world.app, { storageId: id, annotationIds: chosen })
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { selected: 2, exported: 2 } })
    expect(Object.keys(await objectsOf(world, bucket)).sort()).toEqual([keys[1], keys[3]].sort())
    expect(await statusOf(id)).toEqual({ status: 'INITIALIZED', lastSyncCount: null })
    const other = await setUp(1)
    expect(await exportChosen(world.app, { storageId: id, annotationIds: [other.annotations[0]!.id] })).toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('in TASK format writes an object for each task with all its annotations', async () => {
    const { id, bucket, tasks, annotations } = await setUp(3, { exportFormat: 'TASK', nameTemplate: 't{innerId}.json' })
    const [second] = await annotate(world.app, [tasks[0]!])
    await createTasks(world.app, (await taskProject(tasks[0]!)) as string, [{ without: 'annotations' }])
    expect(await exportAll(world.app, id)).toMatchObject({
      status: 'COMPLETED',
      counters: { selected: 3, exported: 3 },
    })
    const objects = await objectsOf(world, bucket)
    expect(Object.keys(objects).sort()).toEqual(['out/t1.json', 'out/t2.json', 'out/t3.json'])
    expect(objects['out/t1.json'].annotations.map((one: { id: number }) => one.id)).toEqual([
      annotations[0]!.databaseId,
      second!.databaseId,
    ])
    await annotate(world.app, [tasks[2]!])
    expect(await exportAll(world.app, id, { exportScope: 'NEW' })).toMatchObject({
      counters: { selected: 1, exported: 1 },
    })
  })

  it('is canceled at once, and the written objects are linked', async () => {
    const { id, databaseId, bucket } = await setUp(300)
    const held = world.front.fail({ hold: true, match: isPut(bucket), times: 1e9 })
    const run = await startExport(world.app, { storageId: id })
    await held.met
    await world.app.request('mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }', { id: run })
    expect(await exportEnd(world.app, run)).toMatchObject({ status: 'CANCELED' })
    held.release()
    // What was on its way is written anew, since nobody knows how far it came; the rest is left.
    await until(
      async () =>
        (await query(world.app.databaseUrl, 'select 1 from outbox where storage_id = $1', [databaseId])).length === 0,
    )
    const written = Object.keys(await objectsOf(world, bucket))
    expect(written.length).toBeLessThan(20)
    expect(Object.values(await exportLinks(world, databaseId)).sort()).toEqual(written.sort())
  })

  it('reports its progress while it runs', async () => {
    const { id, bucket, keys } = await setUp(250)
    const held = world.front.fail({ hold: true, match: isPut(bucket, keys.at(-1)) })
    const run = await startExport(world.app, { storageId: id })
    const states = world.app.subscribe(
      'subscription ($id: ID!) { syncRunChanged(runId: $id) { status counters { selected exported } } }',
      { id: run },
    )
    for await (const { syncRunChanged: state } of states) {
      expect(state.status).not.toBe('COMPLETED')
      if (state.counters.exported === 0) continue
      expect(state).toEqual({ status: 'IN_PROGRESS', counters: { selected: 200, exported: 200 } })
      break
    }
    held.release()
    expect(await exportEnd(world.app, run)).toMatchObject({ status: 'COMPLETED', counters: { exported: 250 } })
  })

  it('continues more slowly when the storage asks to slow down', async () => {
    const { id, bucket } = await setUp(60)
    const slow = world.front.fail({ status: 503, code: 'SlowDown', match: isPut(bucket), times: 40 })
    expect(await exportAll(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { exported: 60, failed: 0 } })
    expect(slow.hits).toBe(40)
  })

  it('with credentials that may only read ends with an issue for each annotation', async () => {
    const { id, bucket } = await setUp(5)
    const denied = world.front.fail({ status: 403, code: 'AccessDenied', match: isPut(bucket), times: 1e9 })
    const run = await exportAll(world.app, id)
    denied.release()
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { exported: 0, failed: 5 } })
    expect(run.issues.map(({ code }: { code: string }) => code)).toEqual(Array(5).fill('DENIED'))
  })

  it('to a bucket that does not exist fails with a message', async () => {
    const { id } = await setUp(3, { bucket: 'not-there' })
    const run = await exportAll(world.app, id)
    expect(run).toMatchObject({ status: 'FAILED', failure: expect.stringMatching(/no bucket/i) })
  })

  it('reports a name that the disk cannot store as an issue, and writes the others', async () => {
    const folder = join(world.app.localRoot, 'out')
    mkdirSync(folder, { recursive: true })
    const { id, project } = await target(world, {
      location: { localFiles: { path: 'out' } },
      autoExport: false,
      nameTemplate: '{sourceStem}/{annotationId}.json',
    })
    const tasks = await createTasks(world.app, project, numbers(3))
    const annotations = await annotate(world.app, tasks)
    await query(
      world.app.databaseUrl,
      `with source as (insert into storage (project_id, direction, provider, location, fingerprint)
         select project_id, 'IMPORT', 'S3', '{}', '' from storage where id = $1 returning id)
       insert into import_link (storage_id, task_id, key)
       select source.id, a.task_id, case when a.id = $2 then 'x/..' else repeat('é', 200) end
       from source, annotation a where a.id = any($3)`,
      [numberOf(id), annotations[0]!.databaseId, [annotations[0]!.databaseId, annotations[1]!.databaseId]],
    )
    const run = await exportAll(world.app, id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { exported: 1, failed: 2 } })
    expect(run.issues.map(({ code }: { code: string }) => code).sort()).toEqual(['KEY_TOO_LONG', 'NAME_LEAVES_PREFIX'])
  })

  it('refuses export settings for an import storage', async () => {
    const { id } = await world.storage({ objects: {} })
    await expect(startExport(world.app, { storageId: id, exportScope: 'NEW' })).rejects.toThrow(/VALIDATION/)
  })
})

async function taskProject(task: string): Promise<unknown> {
  const { node } = await world.app.request('query ($id: ID!) { node(id: $id) { ... on Task { project { id } } } }', {
    id: task,
  })
  return node.project.id
}
