import { createTasks } from '@sluice/testkit/annotate.ts'
import { errorFields } from '@sluice/testkit/errors.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Client = World['app']

async function setHttpsUrls(app: Client, id: string, resolveHttpsUrls: boolean | null) {
  const { updateProject } = await app.request(
    `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) {
      ... on UpdateProjectSuccess { project { resolveHttpsUrls } } ${errorFields} } }`,
    { input: { id, resolveHttpsUrls } },
  )
  return updateProject
}

async function resolvedData(app: Client, id: string) {
  const { task } = await app.request(
    'query ($id: ID!) { task(id: $id) { databaseId data resolvedData(mediaToken: true) } }',
    { id },
  )
  return task
}

async function explain(app: Client, id: string, uri: string) {
  const { explainResolve } = await app.request(
    `query ($id: ID!, $uri: String!) { explainResolve(projectId: $id, uri: $uri) {
      storage { id } workingUri candidates { verdict reason } } }`,
    { id, uri },
  )
  return explainResolve
}

describe.each(['S3', 'GCS', 'AZURE_BLOB'] as const)('HTTPS addresses of %s', (name) => {
  let world: KindWorld
  let url: string
  beforeAll(async () => {
    world = await startKindWorld(name)
    await world.put('in/3/a b&c.txt', 'the object')
    await world.put('secret.txt', 'secret')
    const { endpoint } = Object.values(world.location)[0] as { endpoint: string }
    url = `${endpoint}/bucket/in/3/a%20b%26c.txt`
  })
  afterAll(() => world?.stop())

  const linkStatus = async (uri: string) => {
    const fileuri = Buffer.from(uri).toString('base64url')
    const link = `${world.app.url}/projects/${numberOf(world.project)}/resolve/?fileuri=${fileuri}`
    return (await fetch(link, { headers: { authorization: `Bearer ${world.app.token}` } })).status
  }

  it('become links to the objects while the setting is on, and only then', async () => {
    const data = { image: `${url}?X-Amz-Signature=0`, html: `<img src="${url}">`, other: 'https://example.com/a.jpg' }
    const [id] = await createTasks(world.app, world.project, [data])
    expect((await resolvedData(world.app, id!)).resolvedData).toEqual(data)
    expect(await linkStatus(url)).toBe(404)
    expect(await setHttpsUrls(world.app, world.project, true)).toEqual({ project: { resolveHttpsUrls: true } })
    expect(await setHttpsUrls(world.app, world.project, null)).toEqual({ project: { resolveHttpsUrls: true } })
    const task = await resolvedData(world.app, id!)
    expect(task.data).toEqual(data)
    const link = task.resolvedData.image
    expect(task.resolvedData).toEqual({ image: link, html: `<img src="${link}">`, other: data.other })
    expect(link).toContain(`resolve/?fileuri=${Buffer.from(url).toString('base64url')}&token=`)
    await until(async () => (await fetch(link)).status === 200, { what: 'the link' })
    expect(await (await fetch(link)).text()).toBe('the object')
    expect(await linkStatus(url)).toBe(200)
    const { resolveUris } = await world.app.request(
      'query ($id: ID!, $uris: [String!]!) { resolveUris(projectId: $id, uris: $uris) { url code } }',
      { id: world.project, uris: [url, url.replace('in/3/', 'in/%2e%2e/'), url.replace('/in/3/a', '/secret')] },
    )
    expect(await (await fetch(resolveUris[0].url)).text()).toBe('the object')
    expect(resolveUris.slice(1)).toEqual([1, 2].map(() => ({ url: null, code: 'NOT_FOUND' })))
    await setHttpsUrls(world.app, world.project, false)
    await until(async () => (await linkStatus(url)) === 404, { what: 'the end of the link' })
    expect((await resolvedData(world.app, id!)).resolvedData).toEqual(data)
  })

  it('are explained, with the URI that works', async () => {
    const uri = `${world.uri}in/3/a b&c.txt`
    await setHttpsUrls(world.app, world.project, false)
    const off = await explain(world.app, world.project, url)
    expect(off).toMatchObject({ storage: null, workingUri: uri, candidates: [{ verdict: 'HTTPS_URLS_OFF' }] })
    expect(off.candidates[0].reason).toContain(uri)
    await setHttpsUrls(world.app, world.project, true)
    const on = await explain(world.app, world.project, url)
    expect(on).toMatchObject({ storage: { id: world.storageId }, workingUri: uri })
  })
})

describe('the spelling that works', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('is found for a percent-encoded key, an alias, and other slashes', async () => {
    const objects = {
      'in/a b.jpg': '1',
      'in/c%20d.jpg': '2',
      'in/c d.jpg': '3',
      'in/e+f.jpg': '4',
      'in/cafe\u0301': '5',
    }
    const { project, bucket } = await world.storage({ objects })
    const workingUri = async (uri: string) => {
      const found = await explain(world.app, project, uri.replace('BUCKET', bucket))
      return found.workingUri?.replace(bucket, 'BUCKET') ?? null
    }
    for (const [given, expected] of [
      ['s3://BUCKET/in/a b.jpg', 's3://BUCKET/in/a b.jpg'],
      ['s3://BUCKET/in/a%20b.jpg', 's3://BUCKET/in/a b.jpg'],
      ['s3://BUCKET/in/a+b.jpg', 's3://BUCKET/in/a b.jpg'],
      ['s3://BUCKET/in/c%20d.jpg', 's3://BUCKET/in/c%20d.jpg'],
      ['s3://BUCKET/in/c d.jpg', 's3://BUCKET/in/c d.jpg'],
      ['s3://BUCKET/in/e%2Bf.jpg', 's3://BUCKET/in/e+f.jpg'],
      ['s3://BUCKET/in/caf\u00e9', 's3://BUCKET/in/cafe\u0301'],
      ['s3://BUCKET/in/none%20.jpg', 's3://BUCKET/in/none%20.jpg'],
      ['S3A://BUCKET/in/a%20b.jpg', 's3://BUCKET/in/a b.jpg'],
      ['s3n://BUCKET/in/a b.jpg', 's3://BUCKET/in/a b.jpg'],
      ['s3:///BUCKET/in/a b.jpg', 's3://BUCKET/in/a b.jpg'],
      ['s3://BUCKET//in/a b.jpg', 's3://BUCKET/in/a b.jpg'],
      [' s3://BUCKET/in/a b.jpg ', 's3://BUCKET/in/a b.jpg'],
      ['gs://BUCKET/in/a b.jpg', null],
      ['s3://other/in/a%20b.jpg', null],
    ] as const) {
      expect([given, await workingUri(given)]).toEqual([given, expected])
    }
    const { candidates } = await explain(world.app, project, `s3://${bucket}/in/a%20b.jpg`)
    expect(candidates).toEqual([
      { verdict: 'CHOSEN', reason: expect.stringContaining(`works: s3://${bucket}/in/a b.jpg`) },
    ])
    const plain = await explain(world.app, project, `s3a://${bucket}/in/a b.jpg`)
    expect(plain.candidates[0].reason).not.toContain('works:')
  })

  it('is that with a decoded key if the storage does not respond', async () => {
    const { project } = await world.storage({
      location: { s3: { bucket: 'gone', endpoint: 'http://127.0.0.1:9', accessKeyId: 'k', secretAccessKey: 's' } },
      skipCheck: true,
    })
    expect((await explain(world.app, project, 's3://gone/a%20b.jpg')).workingUri).toBe('s3://gone/a b.jpg')
  })
})

describe('a task of an object', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('has a link with its whole URI, whatever characters the key has', async () => {
    const keys = ['a.jpg,s3://b/c.jpg', 'a.jpg ', 'a\nb.jpg', 'a<br>b', '&quot;a&quot;', 'a\\",', 'my a.jpg;s3://b/c']
    const storage = await world.storage({
      objects: Object.fromEntries(keys.map((key) => [key, `bytes of ${key}`])),
      ...{ importMethod: 'FILES', presign: false },
    })
    await sync(world.app, storage.id)
    const tasks = await tasksOf(world.app, storage.project)
    expect(tasks.map(({ link }) => link!.key).sort()).toEqual([...keys].sort())
    for (const { id, link } of tasks) {
      const { file } = (await resolvedData(world.app, id)).resolvedData
      expect(await (await fetch(file)).text()).toBe(`bytes of ${link!.key}`)
    }
  })

  it('has links in its data for aliases of schemes', async () => {
    const { project, bucket } = await world.storage({ objects: { 'a.txt': 'hello' }, presign: false })
    const data = { a: `s3a://${bucket}/a.txt`, b: `see S3N://${bucket}/a.txt,S3://${bucket}/a.txt.` }
    const [id] = await createTasks(world.app, project, [data])
    const { resolvedData: found } = await resolvedData(world.app, id!)
    const links = [found.a, ...found.b.slice(4, -1).split(',')]
    expect(links).toHaveLength(3)
    for (const link of links) expect(await (await fetch(link)).text()).toBe('hello')
  })
})

describe('Project.resolveHttpsUrls', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('is off in a new project, and can be set when it is created', async () => {
    const create = async (input: object) => {
      const { createProject } = await world.app.request(
        `mutation ($input: CreateProjectInput!) { createProject(input: $input) {
          ... on CreateProjectSuccess { project { resolveHttpsUrls } } ${errorFields} } }`,
        { input: { title: 'T', ...input } },
      )
      return createProject.project.resolveHttpsUrls
    }
    expect([await create({}), await create({ resolveHttpsUrls: null })]).toEqual([false, false])
    expect([await create({ resolveHttpsUrls: true }), await create({ resolveHttpsUrls: false })]).toEqual([true, false])
  })
})
