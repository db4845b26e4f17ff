import { annotate } from '@sluice/testkit/annotate.ts'
import { target } from '@sluice/testkit/exports.ts'
import { finished, sync, updateStorage } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

interface Relocation {
  from: string
  to: string
  dryRun?: boolean
}

async function askToRelocate(storageId: string, relocation: Relocation) {
  const { relocateLinks } = await world.app.request(
    `mutation ($input: RelocateLinksInput!) { relocateLinks(input: $input) { __typename
      ... on RelocateLinksSuccess { run { id kind relocation { from to dryRun } } } ... on Error { code message }
      ... on ValidationError { fieldErrors { path code message } } } }`,
    { input: { storageId, ...relocation } },
  )
  return relocateLinks
}

async function relocate(storageId: string, relocation: Relocation) {
  const { run, ...error } = await askToRelocate(storageId, relocation)
  if (!run) throw new Error(`The run was not queued: ${JSON.stringify(error)}`)
  return finished(world.app, run.id)
}

/** Each task as its id, the key of its link, and the key in its data. */
async function placesOf({ project, bucket }: { project: string; bucket: string }) {
  const tasks = await tasksOf(world.app, project)
  return tasks.map(({ id, link, data }) => [id, link?.key, data.file?.slice(`s3://${bucket}/`.length)])
}

const remove = (bucket: string, key: string) =>
  fetch(`${world.s3.endpoint}/${bucket}/${key}`, { method: 'DELETE' }).then(({ status }) => expect(status).toBe(204))

/** The counters of the run, its links and its tasks counted again. */
async function recount({ databaseId, project }: { databaseId: number; project: string }, from: string) {
  const [row] = await query(
    world.app.databaseUrl,
    `select count(*)::int as links, count(*) filter (where starts_with(key, $2))::int as former
     from import_link where storage_id = $1`,
    [databaseId, from],
  )
  return { ...row, tasks: (await tasksOf(world.app, project)).length }
}

describe('relocateLinks', () => {
  it('gives links and URIs the new prefix, without a request to the bucket, and tasks keep their labels', async () => {
    const names = Array.from({ length: 600 }, (_, n) => `${n} "ü".txt`)
    const objects = Object.fromEntries(names.map((name) => [`raw/${name}`, name]))
    const storage = await world.storage({ objects: { ...objects, 'rawer.txt': 'x' }, detectMoves: false })
    await sync(world.app, storage.id)
    const before = await placesOf(storage)
    await annotate(world.app, [before[7]![0]!])
    const requests = { ...world.front.counts }
    const run = await relocate(storage.id, { from: 'raw/', to: 'old/2024/' })
    expect(run).toMatchObject({
      status: 'COMPLETED',
      expectedTotal: 600,
      counters: { listed: 600, moved: 600, deleted: 0, failed: 0, created: 0 },
    })
    expect(world.front.counts).toEqual(requests)
    const moved = (key: string | undefined) => key?.replace(/^raw\//, 'old/2024/')
    expect(await placesOf(storage)).toEqual(before.map(([id, key, uri]) => [id, moved(key), moved(uri)]))
    expect((await tasksOf(world.app, storage.project))[7]!.annotations).toHaveLength(1)
    // Once the objects are there, too, a sync finds nothing to do.
    await world.s3.putMany(
      storage.bucket,
      names.map((name) => ({ key: `old/2024/${name}`, body: name })),
    )
    await Promise.all(names.map((name) => remove(storage.bucket, encodeURI(`raw/${name}`))))
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 601, created: 0, missing: 0 },
    })
  })

  it('deletes a twin without labels, and reports one with labels, whose object keeps its former key', async () => {
    const storage = await world.storage({ objects: { 'a/1': 'one', 'a/2': 'two', 'a/3': 'three' }, detectMoves: false })
    await sync(world.app, storage.id)
    await world.s3.putMany(storage.bucket, [
      { key: 'b/1', body: 'one' },
      { key: 'b/2', body: 'two' },
    ])
    await sync(world.app, storage.id)
    const before = await placesOf(storage)
    const idOf = (key: string) => before.find((task) => task[1] === key)![0]!
    await annotate(world.app, [idOf('a/1'), idOf('a/2'), idOf('b/2')])
    const dry = await relocate(storage.id, { from: 'a/', to: 'b/', dryRun: true })
    expect(await placesOf(storage)).toEqual(before)
    const run = await relocate(storage.id, { from: 'a/', to: 'b/' })
    expect(run).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 3, moved: 2, deleted: 1, failed: 1 },
      issues: [{ key: 'a/2', code: 'KEY_TAKEN', retryable: false }],
    })
    expect(dry).toMatchObject({ status: run.status, counters: run.counters, issues: run.issues })
    expect(await placesOf(storage)).toEqual([
      [idOf('a/1'), 'b/1', 'b/1'],
      [idOf('a/2'), 'a/2', 'a/2'],
      [idOf('a/3'), 'b/3', 'b/3'],
      [idOf('b/2'), 'b/2', 'b/2'],
    ])
    expect(await recount(storage, 'a/')).toEqual({ links: 4, former: 1, tasks: 4 })
  })

  it('moves all rows of a file, and the next sync reads nothing', async () => {
    const body = '{"n":1}\n{"n":2}\n{"n":3}\n'
    const storage = await world.storage({
      objects: { 'a/rows.jsonl': body },
      importMethod: 'TASKS',
      detectMoves: false,
    })
    await sync(world.app, storage.id)
    await world.s3.putMany(storage.bucket, [{ key: 'b/rows.jsonl', body }])
    await sync(world.app, storage.id)
    const before = await tasksOf(world.app, storage.project)
    await annotate(world.app, [before[1]!.id])
    expect(await relocate(storage.id, { from: 'a/', to: 'b/' })).toMatchObject({
      counters: { listed: 1, moved: 3, deleted: 3 },
    })
    const after = await tasksOf(world.app, storage.project)
    expect(after.map(({ id, link, data }) => [id, link?.key, link?.rowIndex, data])).toEqual(
      before.slice(0, 3).map(({ id, link, data }) => [id, 'b/rows.jsonl', link?.rowIndex, data]),
    )
    await remove(storage.bucket, 'a/rows.jsonl')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 1, created: 0, missing: 0, bytesRead: 0 },
    })
  })

  it.each([
    ['from all keys into a folder', '', 'a/', { x: 'a/x', 'a/y': 'a/y', 'b/x': 'a/b/x' }],
    ['into a folder of the same folder', 'a/', 'a/b/', { 'a/x': 'a/b/x', 'a/b/y': 'a/b/y', x: 'x' }],
    ['out of a folder', 'a/', '', { 'a/x': 'x', 'a/a/x': 'a/x', 'a/a/a/x': 'a/a/x', y: 'y' }],
    ['to a prefix that is no folder', 'a', 'b', { a1: 'b1', 'a/2': 'b/2', c3: 'c3' }],
  ])('moves %s', async (_name, from, to, keys: Record<string, string>) => {
    const objects = Object.fromEntries(Object.keys(keys).map((key) => [key, `body of ${key}`]))
    const storage = await world.storage({ objects, detectMoves: false })
    await sync(world.app, storage.id)
    const before = await placesOf(storage)
    const expected = before.map(([id, key]) => [id, keys[key!], keys[key!]])
    const count = Object.entries(keys).filter(([key, moved]) => key !== moved).length
    const dry = await relocate(storage.id, { from, to, dryRun: true })
    const run = await relocate(storage.id, { from, to })
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: count, moved: count, deleted: 0 } })
    expect(dry.counters).toEqual(run.counters)
    expect(await placesOf(storage)).toEqual(expected)
  })

  it('reports a key that becomes too long', async () => {
    const long = 'k'.repeat(1_000)
    const storage = await world.storage({ objects: { [`a/${long}`]: '1', 'a/2': '2' } })
    await sync(world.app, storage.id)
    expect(await relocate(storage.id, { from: 'a/', to: `${'b'.repeat(2_000)}/` })).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { moved: 1, failed: 1 },
      issues: [{ key: `a/${long}`, code: 'KEY_TOO_LONG' }],
    })
  })

  it('follows a storage to its new prefix', async () => {
    const storage = await world.storage({ objects: { 'a/1': 'one' }, detectMoves: false })
    await sync(world.app, storage.id)
    const location = world.location(storage.bucket, { prefix: 'b/' })
    expect(await updateStorage(world.app, storage.id, { location })).toMatchObject({ storage: { outOfScopeLinks: 1 } })
    await relocate(storage.id, { from: 'a/', to: 'b/' })
    const { storage: seen } = await world.app.request(
      'query ($id: ID!) { storage(id: $id) { status ... on ImportStorage { outOfScopeLinks } } }',
      { id: storage.id },
    )
    expect(seen).toEqual({ status: 'COMPLETED', outOfScopeLinks: 0 })
  })

  it('refuses equal prefixes, prefixes that start no key, and storages that do not import', async () => {
    const storage = await world.storage({ objects: {} })
    expect(await askToRelocate(storage.id, { from: 'a/', to: 'a/' })).toMatchObject({
      __typename: 'ValidationError',
      fieldErrors: [{ path: 'input.to' }],
    })
    expect(await askToRelocate(storage.id, { from: 'a/', to: 'x'.repeat(2_601) })).toMatchObject({
      fieldErrors: [{ path: 'input.to', code: 'KEY_TOO_LONG' }],
    })
    const exporter = await target(world, { project: storage.project })
    expect(await askToRelocate(exporter.id, { from: 'a/', to: 'b/' })).toMatchObject({ __typename: 'NotFoundError' })
    expect(await askToRelocate(storage.id, { from: 'a/', to: 'b/' })).toMatchObject({
      run: { kind: 'RELOCATE', relocation: { from: 'a/', to: 'b/', dryRun: false } },
    })
  })
})
