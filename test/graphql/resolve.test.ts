import { createClient } from '@sluice/testkit/client.ts'
import { faultOf, unknownId } from '@sluice/testkit/errors.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, sync, updateStorage } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApiToken } from '../../src/access/tokens.ts'

describe('resolving through the API', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  const bare = (url: string, headers: Record<string, string> = {}) => fetch(url, { redirect: 'manual', headers })
  const mediaToken = async (
    projectId: string,
    { client = world.app as Pick<typeof world.app, 'request'>, ttl = 60 } = {},
  ) => {
    const { createMediaToken: made } = await client.request(
      `mutation ($input: CreateMediaTokenInput!) { createMediaToken(input: $input) {
        ... on CreateMediaTokenSuccess { mediaToken { token expiresAt } }
        ... on Error { code message } ... on ValidationError { fieldErrors { path } } } }`,
      { input: { projectId, ttlSeconds: ttl } },
    )
    return made
  }
  const rotate = (projectId: string) =>
    world.app.request(
      'mutation ($id: ID!) { rotateMediaKey(projectId: $id) { ... on RotateMediaKeySuccess { project { id } } ... on Error { code } } }',
      { id: projectId },
    )
  const resolvedLink = async (taskId: string, withToken = true): Promise<string> => {
    const { task } = await world.app.request(
      'query ($id: ID!, $with: Boolean) { task(id: $id) { resolvedData(mediaToken: $with) } }',
      { id: taskId, with: withToken },
    )
    return task.resolvedData.file
  }
  const uris = async (projectId: string, list: string[]) => {
    const { resolveUris } = await world.app.request(
      'query ($id: ID!, $uris: [String!]!) { resolveUris(projectId: $id, uris: $uris) { uri url mode expiresAt code message } }',
      { id: projectId, uris: list },
    )
    return resolveUris
  }
  /** A task of an object that is streamed. */
  const streamed = async () => {
    const storage = await world.storage({ objects: { 'a.txt': 'hello' }, presign: false })
    await sync(world.app, storage.id)
    const [task] = await tasksOf(world.app, storage.project)
    return { ...storage, task: task! }
  }

  it('returns links that work without a header', async () => {
    const { task } = await streamed()
    const plain = await resolvedLink(task.id, false)
    expect((await bare(plain)).status).toBe(401)
    const link = await resolvedLink(task.id)
    expect(link.startsWith(`${plain}&token=`)).toBe(true)
    const answer = await bare(link)
    expect([answer.status, await answer.text(), answer.headers.get('referrer-policy')]).toEqual([
      200,
      'hello',
      'no-referrer',
    ])
    expect(await resolvedLink(task.id)).toBe(link)
    // A header goes before the token of the URL.
    expect((await bare(link, { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await fetch(link, { method: 'HEAD' })).status).toBe(200)
    for (const method of ['POST', 'PUT', 'DELETE']) expect((await fetch(link, { method })).status).toBe(405)
  })

  it('ends all media tokens of a project, and no others, when its key is rotated', async () => {
    const [one, two] = [await streamed(), await streamed()]
    const [linkOne, linkTwo] = [await resolvedLink(one.task.id), await resolvedLink(two.task.id)]
    for (const link of [linkOne, linkTwo]) expect((await bare(link)).status).toBe(200)
    await rotate(one.project)
    expect([(await bare(linkOne)).status, (await bare(linkTwo)).status]).toEqual([401, 200])
    expect((await bare(await resolvedLink(one.task.id))).status).toBe(200)
    expect((await rotate(unknownId('Project'))).rotateMediaKey.code).toBe('NOT_FOUND')
  })

  it('opens one project with a media token, and nothing but resolve links', async () => {
    const [one, two] = [await streamed(), await streamed()]
    const { token } = (await mediaToken(one.project)).mediaToken
    const link = (task: string) => `${world.app.url}/tasks/${numberOf(task)}/resolve/?fileuri=`
    const of = ({ bucket }: { bucket: string }) => Buffer.from(`s3://${bucket}/a.txt`).toString('base64url')
    expect((await bare(`${link(one.task.id)}${of(one)}&token=${token}`)).status).toBe(200)
    expect((await bare(`${link(two.task.id)}${of(two)}&token=${token}`)).status).toBe(404)
    expect((await bare(`${link(one.task.id)}${of(one)}`, { authorization: `Bearer ${token}` })).status).toBe(401)
    const query = { method: 'POST', body: '{"query":"{ viewer { name } }"}' }
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    expect((await fetch(`${world.app.url}/graphql`, { ...query, headers })).status).toBe(401)
    expect(
      (await fetch(`${world.app.url}/graphql?token=${token}`, { ...query, headers: { ...headers, authorization: '' } }))
        .status,
    ).toBe(401)
  })

  it.each(['', 'x', 'a.b.c', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImF1ZCI6Im1lZGlhOjEiLCJleHAiOjk5OTk5OTk5OTl9.'])(
    'refuses the invented media token %j',
    async (token) => {
      const { task } = await streamed()
      const plain = await resolvedLink(task.id, false)
      expect((await bare(`${plain}&token=${token}`)).status).toBe(401)
    },
  )

  it('refuses a changed and an expired media token', async () => {
    const { task, project } = await streamed()
    const plain = await resolvedLink(task.id, false)
    const { mediaToken: made } = await mediaToken(project, { ttl: 1 })
    const [head, body, signature] = made.token.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    const longer = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 9_999 })).toString('base64url')
    expect((await bare(`${plain}&token=${head}.${longer}.${signature}`)).status).toBe(401)
    expect((await bare(`${plain}&token=${made.token}`)).status).toBe(200)
    await until(() => Date.now() > Date.parse(made.expiresAt), { what: 'the end of the media token' })
    expect((await bare(`${plain}&token=${made.token}`)).status).toBe(401)
  })

  it('refuses media tokens after the API token that issued them was revoked', async () => {
    const { task, project } = await streamed()
    const { row, token } = await createApiToken(world.app.orm.em, 'maker')
    const client = createClient(world.app.url, token)
    const made = (await mediaToken(project, { client })).mediaToken
    const link = `${await resolvedLink(task.id, false)}&token=${made.token}`
    expect((await bare(link)).status).toBe(200)
    await world.app.request('mutation ($id: ID!) { revokeApiToken(id: $id) { __typename } }', {
      id: Buffer.from(`ApiToken:${row.id}`).toString('base64'),
    })
    expect((await bare(link)).status).toBe(401)
    await client.close()
  })

  it('issues media tokens only with an allowed lifetime', async () => {
    const project = await createProject(world.app)
    for (const ttl of [0, -1, 86_401]) {
      expect((await mediaToken(project, { ttl })).fieldErrors).toEqual([{ path: 'input.ttlSeconds' }])
    }
    expect((await mediaToken(unknownId('Project'))).code).toBe('NOT_FOUND')
    const before = Date.now()
    const life = Date.parse((await mediaToken(project, { ttl: 3_600 })).mediaToken.expiresAt) - before
    expect([life >= 3_600_000, life <= 4_501_000]).toEqual([true, true])
  })

  it('returns the URL of the bytes, its mode and its expiry', async () => {
    const storage = await world.storage({ objects: { 'a b.txt': 'signed' } })
    await world.storage({
      project: storage.project,
      bucket: await world.bucket({ 'x.txt': 'streamed' }),
      presign: false,
    })
    const other = `s3://bucket-${Number(storage.bucket.split('-')[1]) + 1}/x.txt`
    const [signed, proxied, none] = await uris(storage.project, [
      `s3://${storage.bucket}/a b.txt`,
      other,
      's3://elsewhere/x',
    ])
    expect(signed).toMatchObject({ mode: 'PRESIGN', code: null })
    expect(Date.parse(signed.expiresAt)).toBeGreaterThan(Date.now())
    expect(await (await bare(signed.url)).text()).toBe('signed')
    expect(proxied).toMatchObject({ uri: other, mode: 'PROXY', code: null })
    expect(Date.parse(proxied.expiresAt)).toBeGreaterThan(Date.now())
    expect(await (await bare(proxied.url)).text()).toBe('streamed')
    expect(none).toMatchObject({ url: null, mode: null, expiresAt: null, code: 'NOT_FOUND' })
    const fault = await faultOf(uris(storage.project, Array(1_001).fill('s3://a/b')))
    expect(fault.extensions.code).toBe('VALIDATION')
  })

  it('returns the same presigned URL while enough of its lifetime is left', async () => {
    const storage = await world.storage({ objects: { 'a.txt': 'a', 'b.txt': 'b' } })
    const url = async (key: string) => (await uris(storage.project, [`s3://${storage.bucket}/${key}`]))[0].url
    const first = await url('a.txt')
    expect(await url('a.txt')).toBe(first)
    expect(await url('b.txt')).not.toBe(first)
  })

  it('explains which storage serves a URI', async () => {
    const storage = await world.storage({ objects: { 'a.txt': 'a' } })
    const { explainResolve: told } = await world.app.request(
      `query ($id: ID!, $uri: String!) { explainResolve(projectId: $id, uri: $uri) {
        storage { id } candidates { storage { id } verdict reason } } }`,
      { id: storage.project, uri: `s3://${storage.bucket}/a.txt` },
    )
    expect(told).toEqual({
      storage: { id: storage.id },
      candidates: [{ storage: { id: storage.id }, verdict: 'CHOSEN', reason: expect.any(String) }],
    })
    const { explainResolve: none } = await world.app.request(
      'query ($id: ID!) { explainResolve(projectId: $id, uri: "gs://b/k") { storage { id } candidates { verdict } } }',
      { id: storage.project },
    )
    expect(none).toEqual({ storage: null, candidates: [{ verdict: 'OTHER_SCHEME' }] })
  })

  it('serves a URI from the storage that the explanation names', async () => {
    const bucket = await world.bucket({ 'a.txt': 'a', 'deep/a.txt': 'deep', 'deep/er/a.txt': 'deeper' })
    const first = await world.storage({ bucket, presign: false })
    const { project } = first
    const location = (prefix: string) => world.location(bucket, { prefix })
    const deep = await world.storage({ bucket, project, location: location('deep/'), presign: true })
    const twin = await world.storage({
      ...{ bucket, project, location: location('deep/'), presign: false, allowDuplicate: true },
      ...{ importMethod: 'FILES', recursive: false },
    })
    await sync(world.app, twin.id)
    // PostgreSQL then returns this storage last, by the table and by the index.
    for (const regexFilter of ['x', null])
      await updateStorage(world.app, deep.id, { regexFilter, allowDuplicate: true })
    const [task] = await tasksOf(world.app, project)
    const told = async (key: string, taskId?: string) => {
      const uri = `s3://${bucket}/${key}`
      const { explainResolve } = await world.app.request(
        `query ($id: ID!, $uri: String!, $task: ID) { explainResolve(projectId: $id, uri: $uri, taskId: $task) {
          storage { id } candidates { storage { id } verdict } } }`,
        { id: project, uri, task: taskId },
      )
      const where = taskId ? `tasks/${numberOf(taskId)}` : `projects/${numberOf(project)}`
      const link = `${world.app.url}/${where}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
      const { status } = await bare(link, { authorization: `Bearer ${world.app.token}` })
      const verdicts = explainResolve.candidates.map(
        (one: { storage: { id: string }; verdict: string }) =>
          `${[first, deep, twin].findIndex(({ id }) => id === one.storage.id)} ${one.verdict}`,
      )
      return [status, ...verdicts]
    }
    expect(await told('a.txt')).toEqual([200, '0 CHOSEN', '1 OUTSIDE_PREFIX', '2 OUTSIDE_PREFIX'])
    expect(await told('deep/er/a.txt')).toEqual([303, '1 CHOSEN', '2 YOUNGER', '0 SHORTER_PREFIX'])
    expect(await told('deep/a.txt', task!.id)).toEqual([200, '2 CHOSEN', '1 NOT_LINKED', '0 SHORTER_PREFIX'])
  })
})
