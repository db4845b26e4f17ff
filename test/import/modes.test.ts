import { createProject, finished, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { keysOf, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const put = (bucket: string, key: string, body = 'x') => world.s3.putMany(bucket, [{ key, body }])
const ten = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`f/${n}.jpg`, 'x'.repeat(n)]))

/** Everything that a sync could change. */
const everything = async () =>
  query(
    world.app.databaseUrl,
    `select (select count(*)::int from task) as tasks, (select count(*)::int from import_link) as links,
       (select count(*)::int from sync_run) as runs, (select sum(last_inner_id)::int from project) as numbers,
       (select count(*)::int from imported_object) as objects, (select count(*)::int from event) as events`,
  )

describe('filters', () => {
  it('select by patterns, size and number, and the counters report it', async () => {
    const storage = await world.storage({
      objects: { ...ten, 'f/x.txt': 'xxxx', 'g/1.jpg': 'xxxx' },
      filters: { include: ['f/*.jpg'], exclude: ['**/7*'], minBytes: 3, maxBytes: 8 },
    })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 12, matched: 5, skipped: 7, created: 5 } })
    expect(await keysOf(world.app, storage.project)).toEqual([3, 4, 5, 6, 8].map((n) => `f/${n}.jpg`))
  })

  it('accept an object whose key ends in a slash if it has bytes, and skip folder markers', async () => {
    const storage = await world.storage({ objects: { 'empty/': '', 'full/': 'x', 'full/a': 'x' } })
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { listed: 3, matched: 2, skipped: 1, created: 2 },
    })
    expect((await keysOf(world.app, storage.project)).sort()).toEqual(['full/', 'full/a'])
  })

  it('limit how many objects one sync imports; the next sync continues', async () => {
    const storage = await world.storage({ objects: ten, filters: { maxObjects: 4 } })
    const created = []
    for (let n = 0; n < 4; n++) created.push((await sync(world.app, storage.id)).counters.created)
    expect(created).toEqual([4, 4, 2, 0])
    expect(await keysOf(world.app, storage.project)).toEqual(Object.keys(ten))
  })

  it('that are invalid are refused with their paths', async () => {
    const { createImportStorage } = await world.app.request(
      `mutation ($input: CreateImportStorageInput!) { createImportStorage(input: $input) {
        ... on ValidationError { fieldErrors { path } } } }`,
      {
        input: {
          ...{ projectId: await createProject(world.app), location: world.location('any'), skipCheck: true },
          ...{ regexFilter: '(', filters: { minBytes: -1, sample: { take: 3, of: 2 } }, maxMissing: { share: 2 } },
        },
      },
    )
    expect(createImportStorage.fieldErrors.map(({ path }: { path: string }) => path).sort()).toEqual([
      ...['input.filters.minBytes', 'input.filters.sample', 'input.maxMissing.share', 'input.regexFilter'],
    ])
  })
})

describe('a NEW_ONLY sync', () => {
  it('starts after the highest listed key, and reads no earlier page', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 1_500 })
    const storage = await world.storage({ bucket, syncMode: 'NEW_ONLY' })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 1_500, created: 1_500 } })
    await put(bucket, '00000000.early')
    await put(bucket, '00002000.bin')
    const lists = world.front.counts.ListObjectsV2!
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 1, created: 1, missing: 0 },
    })
    expect(world.front.counts.ListObjectsV2! - lists).toBe(1)
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 0, missing: 0 } })
  })

  it('imports a growing bucket completely, a few objects at a time', async () => {
    const storage = await world.storage({ objects: ten, syncMode: 'NEW_ONLY', filters: { maxObjects: 4 } })
    for (const listed of [4, 4, 2, 0]) {
      const run = await sync(world.app, storage.id)
      expect(run.counters.created).toBe(listed)
    }
    expect(await keysOf(world.app, storage.project)).toEqual(Object.keys(ten))
  })
})

describe('a preview', () => {
  const preview = (input: object, first?: number) =>
    world.app.request(
      `query ($input: PreviewObjectsInput!, $first: Int) { previewObjects(input: $input, first: $first) {
        prefix takenCount isComplete objects { key size taken rule } } }`,
      { input, first },
    )

  it('lists what a sync would import and skip, with the deciding rule, and writes nothing', async () => {
    const storage = await world.storage({ objects: { ...ten, 'f/': '' }, regexFilter: 'f/[1-9]' })
    const before = await everything()
    const reads = world.front.counts.GetObject ?? 0
    const input = { id: storage.id, filters: { exclude: ['*/3*'], minBytes: 2, maxBytes: 5 } }
    const { previewObjects: found } = await preview(input)
    expect(found).toMatchObject({ prefix: '', takenCount: 3, isComplete: true })
    expect(
      Object.fromEntries(found.objects.map(({ key, rule }: { key: string; rule: string }) => [key, rule])),
    ).toEqual({
      ...{ 'f/': 'FOLDER_MARKER', 'f/0.jpg': 'REGEX', 'f/1.jpg': 'TOO_SMALL', 'f/2.jpg': null, 'f/3.jpg': 'EXCLUDE' },
      ...{ 'f/4.jpg': null, 'f/5.jpg': null, 'f/6.jpg': 'TOO_LARGE', 'f/7.jpg': 'TOO_LARGE' },
      ...{ 'f/8.jpg': 'TOO_LARGE', 'f/9.jpg': 'TOO_LARGE' },
    })
    expect(await everything()).toEqual(before)
    expect(world.front.counts.GetObject ?? 0).toBe(reads)
  })

  it('of an unsaved storage lists the first objects, and folder markers', async () => {
    const bucket = await world.bucket(ten)
    const input = {
      ...{ projectId: await createProject(world.app), recursive: false },
      location: world.location(bucket, { prefix: 'f' }),
    }
    const { previewObjects: found } = await preview(input, 4)
    expect(found).toMatchObject({ prefix: 'f/', takenCount: 4, isComplete: false })
    expect(found.objects.map(({ key }: { key: string }) => key)).toEqual(Object.keys(ten).slice(0, 4))
  })

  it('of a storage that cannot be listed, or with invalid filters, says why', async () => {
    const projectId = await createProject(world.app)
    await expect(preview({ projectId, location: world.location('no-such-bucket') })).rejects.toMatchObject({
      errors: [{ extensions: { code: 'NO_SUCH_BUCKET' } }],
    })
    await expect(preview({ projectId, location: world.location('any'), regexFilter: '(' })).rejects.toMatchObject({
      errors: [{ extensions: { code: 'VALIDATION' } }],
    })
    await expect(preview({ projectId, location: world.location('any') }, 1_001)).rejects.toMatchObject({
      errors: [{ extensions: { code: 'VALIDATION' } }],
    })
  })
})

describe('a dry run', () => {
  const dryRun = async (storageId: string) => {
    const { syncStorage } = await world.app.request(
      `mutation ($id: ID!) { syncStorage(input: { storageId: $id, dryRun: true }) {
        ... on SyncStorageSuccess { run { id kind } } ... on Error { message } } }`,
      { id: storageId },
    )
    expect(syncStorage.run.kind).toBe('DRY_RUN')
    return finished(world.app, syncStorage.run.id)
  }

  it('counts what a sync would do, with issues, and changes no task, link or status', async () => {
    const objects = { 'a.json': '{}', 'b.json': '[{},{},7]', 'c.json': 'no', 'd.json': '{"n":1}\n{"n":2}\n' }
    const storage = await world.storage({ importMethod: 'TASKS', objects })
    const dry = await dryRun(storage.id)
    expect(await tasksOf(world.app, storage.project)).toEqual([])
    const { storage: state } = await world.app.request('query ($id: ID!) { storage(id: $id) { status lastSyncAt } }', {
      id: storage.id,
    })
    expect(state).toEqual({ status: 'INITIALIZED', lastSyncAt: null })
    const real = await sync(world.app, storage.id)
    expect(dry.counters).toEqual(real.counters)
    // Files are read side by side.
    const sorted = (issues: { key: string }[]) => issues.toSorted((a, b) => a.key.localeCompare(b.key))
    expect(sorted(dry.issues)).toEqual(sorted(real.issues))
    expect(real.counters).toMatchObject({ created: 5, failed: 2 })
    // And of what is there already.
    await put(storage.bucket, 'e.json', '{}')
    const again = await dryRun(storage.id)
    expect(again.counters).toMatchObject({ created: 1 })
    expect((await sync(world.app, storage.id)).counters).toEqual(again.counters)
  })

  it('counts what is missing, and flags nothing', async () => {
    const storage = await world.storage({ objects: ten, missingPolicy: 'DELETE_UNANNOTATED' })
    await sync(world.app, storage.id)
    await fetch(`${world.s3.endpoint}/${storage.bucket}/f/3.jpg`, { method: 'DELETE' })
    expect(await dryRun(storage.id)).toMatchObject({ counters: { existed: 9, missing: 1, deleted: 0 } })
    expect(await tasksOf(world.app, storage.project)).toHaveLength(10)
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { missing: 1, deleted: 1 } })
  })
})
