import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { askToImport, importObjects } from '@sluice/testkit/chosen-keys.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { finished, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { keysOf, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const put = (bucket: string, key: string, body: string) => world.s3.putMany(bucket, [{ key, body }])
const remove = (bucket: string, key: string) =>
  fetch(`${world.s3.endpoint}/${bucket}/${key}`, { method: 'DELETE' }).then(({ status }) => expect(status).toBe(204))
const chosen = (storage: { id: string }, keys: string[]) => importObjects(world.app, storage.id, keys)
const dataOf = async (storage: { project: string }) =>
  (await tasksOf(world.app, storage.project)).map(({ data }) => data)
const existence = async ({ databaseId }: { databaseId: number }) =>
  Object.fromEntries(
    (
      await query(world.app.databaseUrl, 'select key, object_exists from import_link where storage_id = $1', [
        databaseId,
      ])
    ).map(({ key, object_exists }) => [key, object_exists]),
  )

describe('importObjects', () => {
  it('imports the chosen objects and no others, without a listing, and counts a key that occurs twice once', async () => {
    const storage = await world.storage({ objects: { a: '1', b: '2', c: '3' }, changedPolicy: 'UPDATE' })
    const before = { ...world.front.counts }
    expect(await chosen(storage, ['c', 'a', 'c'])).toMatchObject({
      status: 'COMPLETED',
      expectedTotal: 2,
      counters: { listed: 2, matched: 2, created: 2, existed: 0, skipped: 0, failed: 0 },
    })
    expect(await keysOf(world.app, storage.project)).toEqual(['a', 'c'])
    expect(world.front.counts.ListObjectsV2).toBe(before.ListObjectsV2)
    expect(await chosen(storage, ['a', 'c'])).toMatchObject({
      counters: { listed: 2, existed: 2, created: 0, updated: 0 },
    })
    expect(await sync(world.app, storage.id)).toMatchObject({
      expectedTotal: null,
      counters: { listed: 3, existed: 2, created: 1, updated: 0 },
    })
    expect(await chosen(storage, ['a', 'b', 'c'])).toMatchObject({ counters: { existed: 3, created: 0, updated: 0 } })
  })

  it('creates a run of kind CHOSEN, with progress, and does not change the status of the storage', async () => {
    const storage = await world.storage({ objects: { a: '1' } })
    const { run } = await askToImport(world.app, storage.id, ['a'])
    expect(run.kind).toBe('CHOSEN')
    await finished(world.app, run.id)
    const { storage: seen } = await world.app.request(
      `query ($id: ID!) { storage(id: $id) { status lastSyncAt lastSyncCount
        runs { edges { node { id kind status counters { created } } } } } }`,
      { id: storage.id },
    )
    expect(seen).toMatchObject({ status: 'INITIALIZED', lastSyncAt: null, lastSyncCount: null })
    expect(seen.runs.edges).toEqual([
      { node: { id: run.id, kind: 'CHOSEN', status: 'COMPLETED', counters: { created: 1 } } },
    ])
    const events = await query(
      world.app.databaseUrl,
      `select payload ->> 'status' as status from event e where kind = 'STATUS' and (payload ->> 'id')::bigint = $1 order by e.id`,
      [numberOf(run.id)],
    )
    expect(events.map(({ status }) => status)).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
  })

  it('skips keys that the prefix, the level of folders or a filter excludes, whether they have an object or not', async () => {
    const bucket = await world.bucket({
      'in/a.jpg': '1',
      'in/b.txt': '2',
      'in/sub/c.jpg': '3',
      'other/d.jpg': '4',
      'in/big.jpg': '12345',
    })
    const storage = await world.storage({
      ...{ bucket, location: world.location(bucket, { prefix: 'in/' }), recursive: false },
      filters: { include: ['**/*.jpg'], maxBytes: 4, maxObjects: 1 },
    })
    const keys = ['in/a.jpg', 'in/b.txt', 'in/sub/c.jpg', 'other/d.jpg', 'in/big.jpg', 'in/no.txt', 'in']
    expect(await chosen(storage, keys)).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 7, matched: 1, skipped: 6, created: 1, failed: 0 },
    })
    expect(await keysOf(world.app, storage.project)).toEqual(['in/a.jpg'])
  })

  it('reports a key that has neither an object nor a link as OBJECT_MISSING, and a retry imports it later', async () => {
    for (const importMethod of ['FILES', 'TASKS']) {
      const storage = await world.storage({ importMethod, objects: { 'a.json': '{"n":1}' } })
      const run = await chosen(storage, ['a.json', 'b.json', 'c.json'])
      expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { created: 1, failed: 2, missing: 0 } })
      expect(run.issues).toMatchObject([
        { key: 'c.json', code: 'OBJECT_MISSING' },
        { key: 'b.json', code: 'OBJECT_MISSING' },
      ])
      await put(storage.bucket, 'b.json', '{"n":2}')
      const { retryFailed } = await world.app.request(
        'mutation ($id: ID!) { retryFailed(runId: $id) { ... on RetryFailedSuccess { run { id } } ... on Error { message } } }',
        { id: run.id },
      )
      const retry = await finished(world.app, retryFailed.run.id)
      expect(retry).toMatchObject({ counters: { listed: 2, created: 1, failed: 1 } })
      expect(retry.issues).toMatchObject([{ key: 'c.json', code: 'OBJECT_MISSING' }])
      expect(await keysOf(world.app, storage.project)).toEqual(['a.json', 'b.json'])
    }
  })

  it.each([
    ['UPDATE', { n: 22 }, { updated: 1, existed: 0, failed: 0 }],
    ['REPORT', { n: 1 }, { updated: 0, existed: 0, failed: 1 }],
    ['IGNORE', { n: 1 }, { updated: 0, existed: 1, failed: 0 }],
  ])('applies changedPolicy %s to a changed object', async (changedPolicy, data, counters) => {
    const storage = await world.storage({ importMethod: 'TASKS', changedPolicy, objects: { 'a.json': '{"n":1}' } })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.json', '{"n":22}')
    expect(await chosen(storage, ['a.json'])).toMatchObject({ counters })
    expect(await dataOf(storage)).toEqual([data])
  })

  it('reads a changed array again: it replaces rows, adds rows, and flags rows that are gone', async () => {
    const storage = await world.storage({
      ...{ importMethod: 'TASKS', changedPolicy: 'UPDATE', missingPolicy: 'FLAG' },
      objects: { 'a.json': '[{"n":1},{"n":2}]', 'b.json': '[{"n":8},{"n":9}]' },
    })
    expect(await chosen(storage, ['a.json', 'b.json'])).toMatchObject({ counters: { created: 4 } })
    await put(storage.bucket, 'a.json', '[{"n":11},{"n":12},{"n":13}]')
    await put(storage.bucket, 'b.json', '[{"n":18}]')
    expect(await chosen(storage, ['a.json', 'b.json'])).toMatchObject({
      counters: { created: 1, updated: 3, missing: 1, existed: 0 },
    })
    const data = (await dataOf(storage)).map(({ n }) => n)
    expect(data.sort((a, b) => a - b)).toEqual([9, 11, 12, 13, 18])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 0, updated: 0, missing: 0 } })
  })

  it('flags a linked key without an object as missing, and restores it when the object is back', async () => {
    const storage = await world.storage({ objects: { a: '1', b: '2', c: '3' }, missingPolicy: 'FLAG' })
    await sync(world.app, storage.id)
    await remove(storage.bucket, 'a')
    expect(await chosen(storage, ['a', 'b'])).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 2, existed: 1, missing: 1, failed: 0 },
    })
    expect(await existence(storage)).toEqual({ a: false, b: true, c: true })
    expect(await chosen(storage, ['a'])).toMatchObject({ status: 'COMPLETED', counters: { missing: 0, failed: 0 } })
    await put(storage.bucket, 'a', '1')
    expect(await chosen(storage, ['a'])).toMatchObject({ counters: { existed: 1, created: 0 } })
    expect(await existence(storage)).toEqual({ a: true, b: true, c: true })
  })

  it('applies missingPolicy: KEEP changes nothing, DELETE_UNANNOTATED deletes the task, and maxMissing limits it', async () => {
    for (const [settings, tasks, counters] of [
      [{ missingPolicy: 'KEEP' }, 3, { missing: 0, deleted: 0, failed: 0 }],
      [{ missingPolicy: 'DELETE_UNANNOTATED' }, 2, { missing: 1, deleted: 1, failed: 0 }],
      [{ missingPolicy: 'DELETE_UNANNOTATED', maxMissing: { count: 0 } }, 3, { missing: 0, deleted: 0, failed: 1 }],
    ] as const) {
      const storage = await world.storage({ objects: { a: '1', b: '2', c: '3' }, ...settings })
      await sync(world.app, storage.id)
      await remove(storage.bucket, 'a')
      expect(await chosen(storage, ['a'])).toMatchObject({ counters })
      expect(await tasksOf(world.app, storage.project)).toHaveLength(tasks)
    }
  })

  it('fails, and flags nothing, if the bucket is gone', async () => {
    const storage = await world.storage({ objects: { a: '1' }, missingPolicy: 'DELETE_UNANNOTATED' })
    await sync(world.app, storage.id)
    const match = ({ bucket }: { bucket: string }) => bucket === storage.bucket
    const gone = world.front.fail({ match, times: Infinity, status: 404, code: 'NoSuchBucket' })
    expect(await chosen(storage, ['a'])).toMatchObject({ status: 'FAILED', counters: { missing: 0, deleted: 0 } })
    gone.release()
    expect(await existence(storage)).toEqual({ a: true })
  })

  it('reports an object whose metadata is forbidden as an issue', async () => {
    const storage = await world.storage({ objects: { a: '1', b: '2' }, missingPolicy: 'FLAG' })
    await sync(world.app, storage.id)
    const denied = world.front.fail({
      match: ({ key, bucket }) => bucket === storage.bucket && key === 'a',
      status: 403,
      code: 'AccessDenied',
    })
    const run = await chosen(storage, ['a', 'b'])
    denied.release()
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { existed: 1, failed: 1, missing: 0 } })
    expect(run.issues).toMatchObject([{ key: 'a', code: 'DENIED' }])
  })
})

describe('importObjects refuses', () => {
  it.each([
    ['no keys', [], { path: 'input.keys', code: 'VALIDATION' }],
    ['an empty key', ['a', ''], { path: 'input.keys.1', code: 'VALIDATION' }],
    ['a key that is not text', ['a\ud800'], { path: 'input.keys.0', code: 'KEY_NOT_TEXT' }],
    ['a key that no link can hold', ['x'.repeat(2_601)], { path: 'input.keys.0', code: 'KEY_TOO_LONG' }],
    [
      'more than 10,000 distinct keys',
      Array.from({ length: 10_001 }, (_, n) => `k${n}`),
      { path: 'input.keys', code: 'VALIDATION' },
    ],
  ])('%s', async (_what, keys, fault) => {
    const storage = await world.storage({ objects: {} })
    const { fieldErrors, run } = await askToImport(world.app, storage.id, keys)
    expect(run).toBeUndefined()
    expect(fieldErrors).toMatchObject([fault])
    const [{ runs }] = await query(
      world.app.databaseUrl,
      'select count(*)::int as runs from sync_run where storage_id = $1',
      [storage.databaseId],
    )
    expect(runs).toBe(0)
  })

  it('an export storage and a storage that does not exist', async () => {
    for (const type of ['ExportStorage:1', 'ImportStorage:999999', 'Project:1']) {
      const id = Buffer.from(type).toString('base64')
      expect(await askToImport(world.app, id, ['a'])).toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('a paused storage', async () => {
    const storage = await world.storage({ objects: { a: '1' }, synchronizable: false })
    expect(await askToImport(world.app, storage.id, ['a'])).toMatchObject({ code: 'STORAGE_PAUSED' })
  })

  it('a client without a token', async () => {
    const response = await fetch(`${world.app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: 'mutation { importObjects(input: { storageId: "x", keys: ["a"] }) { __typename } }',
      }),
    })
    expect(await response.text()).toContain('UNAUTHENTICATED')
  })
})

describe('a run of chosen keys', () => {
  it('processes 10,000 keys, of which some occur twice', async () => {
    const keys = Array.from({ length: 10_000 }, (_, n) => `many/${n}`)
    mkdirSync(join(world.app.localRoot, 'many'))
    for (const key of keys) writeFileSync(join(world.app.localRoot, key), '')
    const storage = await world.storage({ location: { localFiles: { path: 'many' } } })
    expect(await chosen(storage, [...keys, ...keys.slice(0, 500)])).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 10_000, created: 10_000 },
    })
  })

  it('continues at its checkpoint when its worker is lost', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 700 })
    const storage = await world.storage({ bucket })
    const [{ id }] = await query(
      world.app.databaseUrl,
      `with run as (
         insert into sync_run (storage_id, kind, status, queued_at, started_at, heartbeat_at, listed, matched, created)
         select $1, 'CHOSEN', 'IN_PROGRESS', t.at, t.at, t.at, 500, 500, 500 from (select now() - interval '1 hour' as at) t returning id),
       keys as (insert into sync_key (run_id, kind, key) select run.id, 'CHOSEN', lpad(n::text, 8, '0') || '.bin'
         from run, generate_series(0, 699) n),
       range as (insert into sync_shard (run_id, number, cursor, last_key, pages, holder, attempt)
         select id, 0, '00000499.bin', '00000499.bin', 1, 'gone', 1 from run)
       select id::int from run`,
      [storage.databaseId],
    )
    const before = world.front.counts.HeadObject ?? 0
    expect(await finished(world.app, Buffer.from(`SyncRun:${id}`).toString('base64'))).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      counters: { listed: 700, created: 700 },
    })
    expect(world.front.counts.HeadObject! - before).toBe(200)
  })

  it('can be canceled', async () => {
    const storage = await world.storage({ objects: { a: '1' } })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const { run } = await askToImport(world.app, storage.id, ['a'])
    await held.met
    await world.app.request('mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }', { id: run.id })
    expect(await finished(world.app, run.id)).toMatchObject({ status: 'CANCELED', counters: { created: 0 } })
    held.release()
    await until(() => held.hits === 1)
  })
})
