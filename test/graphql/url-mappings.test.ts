import { createTasks } from '@sluice/testkit/annotate.ts'
import { errorFields, unknownId } from '@sluice/testkit/errors.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { kindNames } from '@sluice/testkit/storage-kinds.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Client = World['app']

async function saveMappings(app: Client, project: string, urlMappings: unknown) {
  const { updateProject } = await app.request(
    `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) {
      ... on UpdateProjectSuccess { project { urlMappings { prefix storageId keyPrefix storage { id } } } } ${errorFields} } }`,
    { input: { id: project, urlMappings } },
  )
  return updateProject
}

async function readTask(app: Client, id: string) {
  const { task } = await app.request(
    'query ($id: ID!) { task(id: $id) { databaseId data resolvedData(mediaToken: true) } }',
    { id },
  )
  return task
}

describe.each(kindNames)('URL mappings to %s', (name) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(name)
    await world.put('in/3/a b&c.txt', 'mapped')
    await world.put('secret.txt', 'secret')
    const saved = await saveMappings(world.app, world.project, [
      { prefix: '/data/upload/', storageId: world.storageId },
      { prefix: '/data/local-files/?d=', storageId: world.storageId, keyPrefix: '' },
    ])
    expect(saved).not.toHaveProperty('code')
  })
  afterAll(() => world?.stop())

  it.each([
    ['a path', '/data/upload/3/a%20b%26c.txt'],
    ['a parameter', '/data/local-files/?d=in%2F3%2Fa+b%26c.txt'],
  ])('turn %s into links to the object in resolvedData, and leave the data unchanged', async (_what, url) => {
    const data = { image: url, html: `<img src="${url}">` }
    const [id] = await createTasks(world.app, world.project, [data])
    const task = await readTask(world.app, id!)
    expect(task.data).toEqual(data)
    const link = task.resolvedData.image
    expect(link).toContain(
      `/tasks/${task.databaseId}/resolve/?fileuri=${Buffer.from(url).toString('base64url')}&token=`,
    )
    expect(task.resolvedData.html).toBe(`<img src="${link}">`)
    const answer = await fetch(link)
    expect([answer.status, await answer.text()]).toEqual([200, 'mapped'])
  })

  it('are resolved by links of the project, and by resolveUris', async () => {
    const url = '/data/upload/3/a%20b%26c.txt'
    const headers = { authorization: `Bearer ${world.app.token}` }
    for (const fileuri of [Buffer.from(url).toString('base64url'), encodeURIComponent(url)]) {
      const link = `${world.app.url}/projects/${numberOf(world.project)}/resolve/?fileuri=${fileuri}`
      const answer = await fetch(link, { headers })
      expect([answer.status, await answer.text()]).toEqual([200, 'mapped'])
    }
    const { resolveUris } = await world.app.request(
      'query ($id: ID!, $uris: [String!]!) { resolveUris(projectId: $id, uris: $uris) { url code } }',
      { id: world.project, uris: [url, '/data/other/a.txt'] },
    )
    expect(await (await fetch(resolveUris[0].url)).text()).toBe('mapped')
    expect(resolveUris[1]).toEqual({ url: null, code: 'NOT_FOUND' })
  })

  it.each([
    ['outside the prefix of the storage', '/data/local-files/?d=secret.txt'],
    ['above it by encoded dots', '/data/upload/%2e%2e/secret.txt'],
    ['above it by dots', '/data/local-files/?d=in/../secret.txt'],
  ])('serve nothing %s', async (_where, url) => {
    const headers = { authorization: `Bearer ${world.app.token}` }
    const fileuri = Buffer.from(url).toString('base64url')
    const link = `${world.app.url}/projects/${numberOf(world.project)}/resolve/?fileuri=${fileuri}`
    const answer = await fetch(link, { headers })
    expect([answer.status, (await answer.json()).code]).toEqual([404, 'NOT_FOUND'])
  })
})

describe('URL mappings of a project', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('are saved, read in the order of their prefixes, replaced, and removed by an empty list', async () => {
    const { id, project } = await world.storage({})
    const saved = await saveMappings(world.app, project, [
      { prefix: '/z/', storageId: id, keyPrefix: 'old/' },
      { prefix: '/a/', storageId: id },
    ])
    const rows = [
      { prefix: '/a/', storageId: id, keyPrefix: null, storage: { id } },
      { prefix: '/z/', storageId: id, keyPrefix: 'old/', storage: { id } },
    ]
    expect(saved).toEqual({ project: { urlMappings: rows } })
    expect(await saveMappings(world.app, project, null)).toEqual({ project: { urlMappings: rows } })
    const other = await saveMappings(world.app, project, [{ prefix: '/b/', storageId: id }])
    expect(other.project.urlMappings.map(({ prefix }: { prefix: string }) => prefix)).toEqual(['/b/'])
    expect(await saveMappings(world.app, project, [])).toEqual({ project: { urlMappings: [] } })
  })

  it('apply to links at once, and are deleted with their storage', async () => {
    const { id, project } = await world.storage({ objects: { 'a.txt': 'hello' }, presign: false })
    const link = `${world.app.url}/projects/${numberOf(project)}/resolve/?fileuri=${Buffer.from('/data/upload/a.txt').toString('base64url')}`
    const status = async () => (await fetch(link, { headers: { authorization: `Bearer ${world.app.token}` } })).status
    expect(await status()).toBe(404)
    await saveMappings(world.app, project, [{ prefix: '/data/upload/', storageId: id }])
    await until(async () => (await status()) === 200)
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id })
    await until(async () => (await status()) === 404)
    const { project: read } = await world.app.request(
      'query ($id: ID!) { project(id: $id) { urlMappings { prefix } } }',
      { id: project },
    )
    expect(read).toEqual({ urlMappings: [] })
  })

  it('redirect to a signed URL of a storage that presigns', async () => {
    const { id, project } = await world.storage({ objects: { 'a b.txt': 'hello' } })
    await saveMappings(world.app, project, [{ prefix: '/data/upload/', storageId: id }])
    const [taskId] = await createTasks(world.app, project, [{ file: '/data/upload/a%20b.txt' }])
    const { resolvedData } = await readTask(world.app, taskId!)
    const answer = await fetch(resolvedData.file, { redirect: 'manual' })
    expect(answer.status).toBe(303)
    expect(await (await fetch(answer.headers.get('location')!)).text()).toBe('hello')
  })

  it('lead only to import storages of the same project, and disclose nothing about others', async () => {
    const own = await world.storage({})
    const other = await world.storage({})
    const message = 'must be an import storage of this project'
    for (const storageId of [other.id, unknownId('ImportStorage'), own.project, 'nonsense']) {
      const { fieldErrors } = await saveMappings(world.app, own.project, [{ prefix: '/data/upload/', storageId }])
      expect(fieldErrors).toEqual([{ path: 'input.urlMappings.0.storageId', message }])
    }
  })

  it.each([
    ['', /begin with one \//],
    ['data/upload/', /begin with one \//],
    ['/', /begin with one \//],
    ['//host/data/', /begin with one \//],
    ['s3://bucket/', /begin with one \//],
    ['http://host', /with a path/],
    ['/data/my files/', /white space/],
    ['/data/"', /quotes/],
    ['/data/\n', /control characters/],
    ['/data/../', /segment/],
    ['/data/#', /no #/],
    [`/${'x'.repeat(500)}`, /500 characters/],
  ])('refuse the prefix %j', async (prefix, words) => {
    const { id, project } = await world.storage({})
    const { fieldErrors } = await saveMappings(world.app, project, [{ prefix, storageId: id }])
    expect(fieldErrors).toEqual([{ path: 'input.urlMappings.0.prefix', message: expect.stringMatching(words) }])
  })

  it('report every error at once, with those of the other settings, and change nothing', async () => {
    const { id, project } = await world.storage({
      location: world.location(await world.bucket(), { prefix: 'in/' }),
    })
    const { updateProject } = await world.app.request(
      `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) { __typename ${errorFields} } }`,
      {
        input: {
          id: project,
          title: ' ',
          urlMappings: [
            { prefix: '/a/', storageId: id, keyPrefix: 'out/' },
            { prefix: '/a/', storageId: id, keyPrefix: 'in/../' },
            { prefix: '/b/', storageId: id, keyPrefix: 'x'.repeat(1_025) },
          ],
        },
      },
    )
    expect(updateProject.fieldErrors).toEqual([
      { path: 'input.title', message: 'must not be empty' },
      { path: 'input.urlMappings.0.keyPrefix', message: expect.stringContaining('the prefix of the storage, "in/"') },
      { path: 'input.urlMappings.1.prefix', message: 'is there twice' },
      { path: 'input.urlMappings.1.keyPrefix', message: expect.stringContaining('segment') },
      { path: 'input.urlMappings.2.keyPrefix', message: 'has more than 1024 bytes' },
    ])
    const many = Array.from({ length: 101 }, (_, n) => ({ prefix: `/${n}/`, storageId: id }))
    expect((await saveMappings(world.app, project, many)).fieldErrors).toEqual([
      { path: 'input.urlMappings', message: 'must be at most 100' },
    ])
  })

  it('do not apply to another project, where the same URLs stay unchanged', async () => {
    const { id, project } = await world.storage({ objects: { 'a.txt': 'hello' } })
    await saveMappings(world.app, project, [{ prefix: '/data/upload/', storageId: id }])
    const other = await createProject(world.app)
    await world.storage({ project: other })
    const [taskId] = await createTasks(world.app, other, [{ file: '/data/upload/a.txt' }])
    expect((await readTask(world.app, taskId!)).resolvedData).toEqual({ file: '/data/upload/a.txt' })
  })
})
