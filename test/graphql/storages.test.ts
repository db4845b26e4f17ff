import { errorFields, unknownId } from '@sluice/testkit/errors.ts'
import { createProject, createStorage, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const settings = `id title description importMethod regexFilter recursive presign presignTtlMinutes status synchronizable
  lastSyncAt lastSyncCount lastRun { id } provider location { ... on S3Location { bucket prefix endpoint region } }`

async function update(input: Record<string, unknown>) {
  const { updateImportStorage } = await world.app.request(
    `mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) { __typename
      ... on UpdateImportStorageSuccess { storage { ${settings} } } ${errorFields}
      ... on ConnectionCheckError { steps { name status code } } ... on DuplicateStorageError { existing { id } } } }`,
    { input },
  )
  return updateImportStorage
}

async function remove(id: string, dryRun?: boolean) {
  const { deleteStorage } = await world.app.request(
    `mutation ($id: ID!, $dryRun: Boolean) { deleteStorage(id: $id, dryRun: $dryRun) {
      ... on DeleteStorageSuccess { deletion { affectedTasks dryRun } } ... on Error { code } } }`,
    { id, dryRun },
  )
  return deleteStorage
}

async function check(input: Record<string, unknown>) {
  const { checkStorage } = await world.app.request(
    `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
      ... on CheckStorageSuccess { check { ok steps { name status code message hint milliseconds } } } ${errorFields} } }`,
    { input },
  )
  return checkStorage
}

describe('a storage', () => {
  it('is checked, saved with defaults, and returned by every query', async () => {
    const project = await createProject(world.app)
    const bucket = await world.bucket({ 'a.jpg': 'x' })
    const { storage } = await createStorage(world.app, { projectId: project, location: world.location(bucket) })
    const read = await world.app.request(
      `query ($id: ID!, $project: ID!) { node(id: $id) { ... on ImportStorage { ${settings} } }
        storage(id: $id) { id ... on ImportStorage { ${settings} } }
        storages(projectId: $project) { edges { node { id ... on ImportStorage { ${settings} } } } } }`,
      { id: storage.id, project },
    )
    expect(read.node).toEqual({
      id: storage.id,
      title: null,
      description: null,
      importMethod: 'FILES',
      regexFilter: null,
      recursive: true,
      presign: true,
      presignTtlMinutes: 15,
      status: 'INITIALIZED',
      synchronizable: true,
      lastSyncAt: null,
      lastSyncCount: null,
      lastRun: null,
      provider: 'S3',
      location: { bucket, prefix: '', endpoint: world.front.endpoint, region: 'AUTO' },
    })
    expect(read.storage).toEqual(read.node)
    expect(read.storages.edges).toEqual([{ node: read.node }])
  })

  it('keeps the settings that an update omits; null clears optional ones', async () => {
    const storage = await world.storage({ objects: { a: '' }, title: 'T', regexFilter: 'a', presignTtlMinutes: 60 })
    expect((await update({ id: storage.id, recursive: false })).storage).toMatchObject({
      title: 'T',
      regexFilter: 'a',
      presignTtlMinutes: 60,
      recursive: false,
    })
    const cleared = await update({ id: storage.id, title: null, regexFilter: null, recursive: null })
    expect(cleared.storage).toMatchObject({ title: null, regexFilter: null, recursive: false })
  })

  it('keeps the writes of a sync that runs during an update', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const changing = update({ id: storage.id, title: 'New' })
    await held.met
    const run = await startSync(world.app, storage.id)
    held.release()
    expect((await changing).storage).toMatchObject({ title: 'New', lastRun: { id: run } })
  })

  it('cannot change its provider', async () => {
    const storage = await world.storage({ objects: {} })
    expect(await update({ id: storage.id, location: { localFiles: { path: 'x' } } })).toMatchObject({
      code: 'VALIDATION',
      fieldErrors: [{ path: 'input.location' }],
    })
  })

  it('is not changed if the check of the changes fails', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const answer = await update({ id: storage.id, title: 'New', location: world.location('not-there') })
    expect(answer).toMatchObject({ __typename: 'ConnectionCheckError', code: 'CHECK_FAILED' })
    const { node } = await world.app.request(`query ($id: ID!) { node(id: $id) { ... on ImportStorage { title } } }`, {
      id: storage.id,
    })
    expect(node.title).toBeNull()
  })

  it('is refused as a duplicate, with the id of the existing one, unless duplicates are allowed', async () => {
    const first = await world.storage({ objects: { a: '' } })
    const again = { projectId: first.project, location: world.location(first.bucket), skipCheck: true }
    expect(await createStorage(world.app, again)).toMatchObject({
      __typename: 'DuplicateStorageError',
      code: 'DUPLICATE_STORAGE',
      existing: { id: first.id },
    })
    const filtered = await createStorage(world.app, { ...again, regexFilter: 'x' })
    expect(filtered.storage.id).not.toBe(first.id)
    expect((await createStorage(world.app, { ...again, allowDuplicate: true })).storage).toBeTruthy()
    const elsewhere = await createStorage(world.app, { ...again, projectId: await createProject(world.app) })
    expect(elsewhere.storage).toBeTruthy()
    // An update that leads to a place that is taken is the same fault.
    expect(await update({ id: filtered.storage.id, regexFilter: null, skipCheck: true })).toMatchObject({
      code: 'DUPLICATE_STORAGE',
    })
  })

  it('that was allowed to be a duplicate can be changed in all that makes it no other duplicate', async () => {
    const first = await world.storage({ objects: { a: '' } })
    const location = world.location(first.bucket)
    const input = { projectId: first.project, location, skipCheck: true, allowDuplicate: true, regexFilter: 'x' }
    const [twin] = [await createStorage(world.app, input), await createStorage(world.app, input)]
    const { id } = twin.storage
    expect(await update({ id, title: 'new', skipCheck: true })).toMatchObject({ storage: { title: 'new' } })
    expect(await update({ id, location, regexFilter: 'x', skipCheck: true })).toMatchObject({ storage: { id } })
    expect(await update({ id, regexFilter: null, skipCheck: true })).toMatchObject({ code: 'DUPLICATE_STORAGE' })
  })

  it('is created once by many concurrent requests', async () => {
    const [projectId, bucket] = [await createProject(world.app), await world.bucket()]
    const input = { projectId, location: world.location(bucket), skipCheck: true }
    const answers = await Promise.all(Array.from({ length: 8 }, () => createStorage(world.app, input)))
    expect(answers.filter(({ storage }) => storage)).toHaveLength(1)
  })

  it('reports with dryRun what its deletion would do, and keeps its tasks when it is deleted', async () => {
    const storage = await world.storage({
      objects: { 'a.json': '[{"n":1},{"n":2}]', 'b.json': '{}' },
      importMethod: 'TASKS',
    })
    await sync(world.app, storage.id)
    expect(await remove(storage.id, true)).toEqual({ deletion: { affectedTasks: 3, dryRun: true } })
    expect((await tasksOf(world.app, storage.project)).every(({ link }) => link !== null)).toBe(true)
    expect(await remove(storage.id)).toEqual({ deletion: { affectedTasks: 3, dryRun: false } })
    expect((await tasksOf(world.app, storage.project)).map(({ link }) => link)).toEqual([null, null, null])
    expect(await remove(storage.id)).toEqual({ code: 'NOT_FOUND' })
  })

  it('cannot be deleted while its sync is active', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const run = await startSync(world.app, storage.id)
    await held.met
    expect(await remove(storage.id)).toEqual({ code: 'CONFLICT' })
    held.release()
    await finished(world.app, run)
    expect(await remove(storage.id)).toMatchObject({ deletion: { dryRun: false } })
  })

  it('has the same location with and without a slash at the end of its endpoint', async () => {
    const first = await world.storage({ objects: { a: '' } })
    const location = world.location(first.bucket, { endpoint: `${world.front.endpoint}/` })
    const again = { projectId: first.project, location, skipCheck: true }
    expect(await createStorage(world.app, again)).toMatchObject({ existing: { id: first.id } })
  })

  it('imports everything after it moves to another bucket, even keys that the old one had', async () => {
    const storage = await world.storage({ objects: { 'a.jpg': '', 'b.jpg': '' } })
    await sync(world.app, storage.id)
    const other = await world.bucket({ 'a.jpg': '' })
    await update({ id: storage.id, location: world.location(other) })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 1, existed: 0, created: 1 } })
    // The same bucket under another prefix keeps its links.
    await update({ id: storage.id, location: world.location(other, { prefix: 'a' }) })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 1, existed: 1, created: 0 } })
  })
})

describe('checking a storage', () => {
  it('reports every step for an unsaved storage and stores nothing', async () => {
    const [projectId, bucket] = [await createProject(world.app), await world.bucket({ 'a.json': '{}' })]
    const { check: found } = await check({ projectId, location: world.location(bucket), importMethod: 'TASKS' })
    expect(found.ok).toBe(true)
    expect(found.steps.map(({ name, status }: { name: string; status: string }) => `${name} ${status}`)).toEqual([
      'CONFIGURATION OK',
      'EGRESS OK',
      'REACH OK',
      'AUTHENTICATE OK',
      'OPEN OK',
      'FIND_OBJECT OK',
      'READ_OBJECT OK',
      'WRITE_OBJECT SKIPPED',
      'PRESIGN OK',
      'CLOCK OK',
    ])
    const rows = await query(world.app.databaseUrl, `select 1 from storage where location->>'bucket' = $1`, [bucket])
    expect(rows).toEqual([])
  })

  it('checks a stored storage, with and without changes, and does not change it', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    expect((await check({ id: storage.id })).check.ok).toBe(true)
    const { check: found } = await check({ id: storage.id, location: world.location('not-there') })
    expect(found.ok).toBe(false)
    expect(found.steps).toContainEqual(
      expect.objectContaining({ name: 'OPEN', status: 'FAILED', code: 'NO_SUCH_BUCKET', hint: expect.any(String) }),
    )
    expect((await check({ id: storage.id })).check.ok).toBe(true)
  })

  it.each([{}, { id: 'a', projectId: 'b' }])('with %j is an error of the input', async (input) => {
    expect(await check(input)).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path: 'input' }] })
  })

  it('for exports writes and removes a probe, and needs no object', async () => {
    const [projectId, bucket] = [await createProject(world.app), await world.bucket()]
    const candidate = { projectId, location: world.location(bucket, { prefix: 'out' }), direction: 'EXPORT' }
    const { check: found } = await check(candidate)
    expect(found.ok).toBe(true)
    expect(found.steps).toContainEqual(expect.objectContaining({ name: 'WRITE_OBJECT', status: 'OK' }))
    expect(found.steps).toContainEqual(expect.objectContaining({ name: 'FIND_OBJECT', status: 'SKIPPED' }))
    const { check: reading } = await check({ ...candidate, direction: 'IMPORT' })
    expect(reading.steps).toContainEqual(expect.objectContaining({ code: 'EMPTY_PREFIX' }))
    world.front.fail({ status: 403, code: 'AccessDenied', match: ({ operation }) => operation === 'PutObject' })
    const { check: denied } = await check(candidate)
    expect(denied.steps).toContainEqual(
      expect.objectContaining({ name: 'WRITE_OBJECT', code: 'DENIED', hint: expect.stringContaining('s3:PutObject') }),
    )
  })

  it('refuses database 0 of Redis for exports before it connects', async () => {
    const projectId = await createProject(world.app)
    const location = { redis: { host: 'nowhere.invalid', db: 0 } }
    const { check: found } = await check({ projectId, location, direction: 'EXPORT' })
    expect(found.steps[0]).toMatchObject({ name: 'CONFIGURATION', status: 'FAILED', code: 'REDIS_DATABASE_ZERO' })
  })

  it('that does not exist is NOT_FOUND', async () => {
    expect(await check({ id: unknownId('ImportStorage') })).toMatchObject({ code: 'NOT_FOUND' })
    expect(await check({ projectId: unknownId('Project'), location: world.location('abc') })).toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})
