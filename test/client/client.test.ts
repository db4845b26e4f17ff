import {
  ApiError,
  type ClientOptions,
  ConnectionError,
  CreateProjectDocument,
  createClient,
  ProjectsDocument,
  StorageChangedDocument,
  SyncStorageDocument,
  successOf,
} from '@sluice/client'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { freePort } from '@sluice/testkit/free-port.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const transports = ['WebSocket', 'SSE'] as const

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ SUBSCRIPTION_HEARTBEAT: '0.2' })
})
afterAll(() => app?.stop())

const clientOf = (options: Partial<ClientOptions> = {}) => createClient({ url: app.url, token: app.token, ...options })

/** The error of the first message of a subscription to a project's storages. */
async function subscriptionError(options: Partial<ClientOptions>, projectId = 'UHJvamVjdDox'): Promise<unknown> {
  const client = clientOf(options)
  try {
    const { value } = await client.subscribe(StorageChangedDocument, { projectId }).next()
    return value
  } catch (error) {
    return error
  } finally {
    await client.close()
  }
}

describe('request', () => {
  it('returns the data of a query', async () => {
    const id = await createProject(app, 'Cats')
    const { projects } = await clientOf().request(ProjectsDocument, { first: 200 })
    expect(projects.edges.map(({ node }) => node)).toContainEqual({ id, title: 'Cats' })
  })

  it('returns the success of a mutation, which successOf narrows', async () => {
    const { createProject: result } = await clientOf().request(CreateProjectDocument, { input: { title: 'Dogs' } })
    expect(successOf(result).project.id).toMatch(/^\w+/)
  })

  it('returns the error of a mutation, which successOf throws with its code and field errors', async () => {
    const client = clientOf()
    const { createProject: refused } = await client.request(CreateProjectDocument, { input: { title: '' } })
    expect(() => successOf(refused)).toThrow(ApiError)
    expect(refused).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path: 'input.title' }] })
    const storageId = Buffer.from('ImportStorage:987654').toString('base64')
    const { syncStorage } = await client.request(SyncStorageDocument, { input: { storageId } })
    expect(() => successOf(syncStorage)).toThrow(expect.objectContaining({ name: 'ApiError', code: 'NOT_FOUND' }))
  })

  it('rejects with UNAUTHENTICATED if the server refuses the token', async () => {
    const refused = clientOf({ token: 'wrong' }).request(ProjectsDocument, {})
    await expect(refused).rejects.toMatchObject({ name: 'ApiError', code: 'UNAUTHENTICATED' })
  })

  it('rejects with GRAPHQL if the document does not fit the schema', async () => {
    const refused = clientOf().request({ toString: () => '{ nothing }' }, {})
    await expect(refused).rejects.toMatchObject({ name: 'ApiError', message: expect.stringContaining('nothing') })
  })

  it('rejects with a ConnectionError if nothing listens, or something else than Sluice answers', async () => {
    const unreachable = clientOf({ url: `http://127.0.0.1:${await freePort()}` }).request(ProjectsDocument, {})
    await expect(unreachable).rejects.toThrow(ConnectionError)
    const proxyError = async () => new Response('<h1>Bad gateway</h1>', { status: 502 })
    await expect(clientOf({ fetch: proxyError }).request(ProjectsDocument, {})).rejects.toThrow(/HTTP 502/)
  })

  it('rejects with the reason of its signal', async () => {
    const signal = AbortSignal.abort(new Error('not wanted any more'))
    await expect(clientOf().request(ProjectsDocument, {}, { signal })).rejects.toThrow('not wanted any more')
  })

  it('asks a token function for each request', async () => {
    const tokens = [app.token, 'wrong']
    const client = clientOf({ token: async () => tokens.shift()! })
    await client.request(ProjectsDocument, {})
    await expect(client.request(ProjectsDocument, {})).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('sends cookies and no Authorization header without a token', async () => {
    const sent: RequestInit[] = []
    const fetch: typeof globalThis.fetch = async (_url, init) => {
      sent.push(init!)
      return Response.json({ data: { projects: { edges: [] } } })
    }
    await createClient({ url: app.url, credentials: 'include', fetch }).request(ProjectsDocument, {})
    expect(sent).toMatchObject([{ credentials: 'include', headers: { 'x-graphql-yoga-csrf': '1' } }])
    expect(Object.keys(sent[0]!.headers!)).not.toContain('authorization')
  })
})

describe.each(transports)('subscribe over %s', (transport) => {
  it('throws UNAUTHENTICATED if the server refuses the token', async () => {
    expect(await subscriptionError({ transport, token: 'wrong' })).toMatchObject({
      name: 'ApiError',
      code: 'UNAUTHENTICATED',
    })
  })

  it('throws the code of the error that ends it', async () => {
    const projectId = Buffer.from('Project:987654').toString('base64')
    expect(await subscriptionError({ transport }, projectId)).toMatchObject({ name: 'ApiError', code: 'NOT_FOUND' })
  })

  it('throws a ConnectionError if the first connection fails', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect(await subscriptionError({ transport, url })).toBeInstanceOf(ConnectionError)
  })

  it('throws UNAUTHENTICATED when the token is revoked while the subscription is open', async () => {
    const { createApiToken } = await app.request(
      `mutation { createApiToken(name: "Short-lived") {
        ... on CreateApiTokenSuccess { newToken { token apiToken { id } } } ... on Error { message } } }`,
    )
    const { token, apiToken } = createApiToken.newToken
    const projectId = await createProject(app, 'Watched')
    await createStorageIn(projectId)
    const client = clientOf({ transport, token })
    const messages = client.subscribe(StorageChangedDocument, { projectId })
    expect((await messages.next()).value?.storageChanged).toMatchObject({ kind: 'SNAPSHOT' })
    const next = messages.next()
    await Promise.all([
      expect(next).rejects.toMatchObject({ name: 'ApiError', code: 'UNAUTHENTICATED' }),
      app.request('mutation ($id: ID!) { revokeApiToken(id: $id) { __typename } }', { id: apiToken.id }),
    ])
    await client.close()
  })

  it('ends with the reason of its signal, also while it waits', async () => {
    const projectId = await createProject(app, 'Idle')
    await createStorageIn(projectId)
    const client = clientOf({ transport })
    const controller = new AbortController()
    const messages = client.subscribe(StorageChangedDocument, { projectId }, { signal: controller.signal })
    await messages.next()
    const next = messages.next()
    controller.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
    await client.close()
  })
})

async function createStorageIn(projectId: string): Promise<void> {
  const { createImportStorage } = await app.request(
    `mutation ($input: CreateImportStorageInput!) { createImportStorage(input: $input) {
      ... on CreateImportStorageSuccess { storage { id } } ... on Error { message } } }`,
    { input: { projectId, skipCheck: true, location: { s3: { bucket: 'bucket', endpoint: 'http://127.0.0.1:9' } } } },
  )
  expect(createImportStorage.storage).toBeTruthy()
}
