import { errorFields } from '@sluice/testkit/errors.ts'
import { createTarget, target } from '@sluice/testkit/exports.ts'
import { createProject, createStorage, updateStorage } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const settings = `id title exportFormat nameTemplate autoExport canDeleteObjects pendingExports pendingSince pendingFailure status
  links { totalCount } location { ... on S3Location { bucket prefix } }`

async function update(input: Record<string, unknown>) {
  const { updateExportStorage } = await world.app.request(
    `mutation ($input: UpdateExportStorageInput!) { updateExportStorage(input: $input) { __typename
      ... on UpdateExportStorageSuccess { storage { ${settings} } } ${errorFields}
      ... on OverlappingStorageError { existing { id } } } }`,
    { input },
  )
  return updateExportStorage
}

describe('an export storage', () => {
  it('is checked with a probe, saved with defaults, and returned by every query', async () => {
    const project = await createProject(world.app)
    const bucket = await world.bucket()
    const location = world.location(bucket, { prefix: 'out' })
    const puts = world.front.counts.PutObject ?? 0
    const { storage } = await createTarget(world.app, { projectId: project, location })
    expect(world.front.counts.PutObject! - puts).toBe(1)
    const read = await world.app.request(
      `query ($id: ID!, $project: ID!) { node(id: $id) { ... on ExportStorage { ${settings} } }
        storage(id: $id) { __typename ... on ExportStorage { ${settings} } }
        storages(projectId: $project, direction: EXPORT) { edges { node { ... on ExportStorage { ${settings} } } } } }`,
      { id: storage.id, project },
    )
    expect(read.node).toEqual({
      id: storage.id,
      title: null,
      exportFormat: 'ANNOTATION',
      nameTemplate: null,
      autoExport: true,
      canDeleteObjects: false,
      pendingExports: 0,
      pendingSince: null,
      pendingFailure: null,
      status: 'INITIALIZED',
      links: { totalCount: 0 },
      location: { bucket, prefix: 'out' },
    })
    expect(read.storage).toEqual({ __typename: 'ExportStorage', ...read.node })
    expect(read.storages.edges).toEqual([{ node: read.node }])
    const asImport = Buffer.from(`ImportStorage:${storage.databaseId}`).toString('base64')
    expect(await world.app.request('query ($id: ID!) { node(id: $id) { id } }', { id: asImport })).toEqual({
      node: null,
    })
  })

  it('is not saved when nothing can be written to it', async () => {
    const [projectId, bucket] = [await createProject(world.app), await world.bucket({ a: '' })]
    world.front.fail({ status: 403, code: 'AccessDenied', match: ({ operation }) => operation === 'PutObject' })
    const answer = await createTarget(world.app, { projectId, location: world.location(bucket) })
    expect(answer).toMatchObject({ __typename: 'ConnectionCheckError', code: 'CHECK_FAILED' })
    expect(answer.steps).toContainEqual({ name: 'WRITE_OBJECT', status: 'FAILED', code: 'DENIED' })
  })

  it('is checked without a write if requested', async () => {
    const [projectId, bucket] = [await createProject(world.app), await world.bucket()]
    const location = world.location(bucket)
    const writes = () => [world.front.counts.PutObject, world.front.counts.DeleteObject]
    const before = writes()
    const { checkStorage } = await world.app.request(
      `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
        ... on CheckStorageSuccess { check { ok steps { name status } } } } }`,
      { input: { projectId, location, direction: 'EXPORT', skipProbe: true } },
    )
    expect(checkStorage.check.ok).toBe(true)
    expect(checkStorage.check.steps).toContainEqual({ name: 'OPEN', status: 'OK' })
    expect(checkStorage.check.steps).toContainEqual({ name: 'WRITE_OBJECT', status: 'SKIPPED' })
    const { storage } = await createTarget(world.app, { projectId, location, skipProbe: true })
    expect((await update({ id: storage.id, title: 'T', skipProbe: true })).storage).toBeTruthy()
    expect(writes()).toEqual(before)
    const missing = { projectId, location: world.location('not-there'), skipProbe: true }
    expect(await createTarget(world.app, missing)).toMatchObject({ __typename: 'ConnectionCheckError' })
  })

  it.each([
    ['nameTemplate', '{who}.json'],
    ['nameTemplate', '../{annotationId}.json'],
    ['nameTemplate', '{taskId}.json'],
  ])('with the %s %s is refused', async (field, value) => {
    const input = { projectId: await createProject(world.app), location: world.location('bucket'), [field]: value }
    expect(await createTarget(world.app, input)).toMatchObject({
      code: 'VALIDATION',
      fieldErrors: [{ path: `input.${field}` }],
    })
  })

  it('in database 0 of Redis is refused even without a check', async () => {
    const location = { redis: { host: 'localhost', db: 0 } }
    const input = { projectId: await createProject(world.app), location, skipCheck: true }
    expect(await createTarget(world.app, input)).toMatchObject({
      code: 'VALIDATION',
      fieldErrors: [{ path: 'input.location' }],
    })
  })

  it('keeps the settings that an update omits, and never changes its format', async () => {
    const { id } = await target(world, { canDeleteObjects: true, nameTemplate: 'a-{annotationId}' })
    expect((await update({ id, title: 'T', autoExport: false, skipCheck: true })).storage).toMatchObject({
      title: 'T',
      autoExport: false,
      canDeleteObjects: true,
      nameTemplate: 'a-{annotationId}',
    })
    expect((await update({ id, nameTemplate: null, skipCheck: true })).storage.nameTemplate).toBeNull()
  })

  it('is a duplicate only of an export storage', async () => {
    const first = await target(world)
    const again = {
      projectId: first.project,
      location: world.location(first.bucket, { prefix: 'out' }),
      skipCheck: true,
    }
    expect(await createTarget(world.app, again)).toMatchObject({
      code: 'DUPLICATE_STORAGE',
      existing: { id: first.id },
    })
    expect((await createTarget(world.app, { ...again, allowDuplicate: true })).storage).toBeTruthy()
  })

  it.each([
    ['', 'out', true],
    ['out', 'out', true],
    ['ou', 'out', true],
    ['out/in', 'out', true],
    ['output', 'out', false],
    ['in/', 'out', false],
  ])('overlaps an import of "%s" if its prefix is "%s": %s', async (from, to, overlaps) => {
    const [project, bucket] = [await createProject(world.app), await world.bucket()]
    const source = { projectId: project, location: world.location(bucket, { prefix: from }), skipCheck: true }
    const sink = { projectId: project, location: world.location(bucket, { prefix: to }), skipCheck: true }
    const { storage } = await createStorage(world.app, source)
    const refused = { __typename: 'OverlappingStorageError', code: 'OVERLAPPING_STORAGE', existing: { id: storage.id } }
    expect(await createTarget(world.app, sink)).toMatchObject(overlaps ? refused : { storage: {} })
    expect((await createTarget(world.app, { ...sink, allowOverlap: true, allowDuplicate: true })).storage).toBeTruthy()
    // A storage that was allowed to overlap can be changed in everything but its place.
    expect(await updateStorage(world.app, storage.id, { title: 'new', regexFilter: 'x' })).toMatchObject({
      storage: {},
    })
    // The other way round, the import is refused.
    const other = await createProject(world.app)
    await createTarget(world.app, { ...sink, projectId: other })
    const late = await createStorage(world.app, { ...source, projectId: other })
    expect(late.code ?? 'saved').toBe(overlaps ? 'OVERLAPPING_STORAGE' : 'saved')
  })
})
