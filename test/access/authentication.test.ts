import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app?.stop())

const post = (headers: Record<string, string>, body: object = { query: '{ viewer { name } }' }) =>
  fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

const badTokens = [
  'Bearer wrong',
  'Bearer',
  'Bearer ',
  'Basic dXNlcjpwYXNz',
  'test-admin-token-0123456789',
  'Bearer a b',
  'Bearer ü',
]

describe('without a valid token', () => {
  it.each(badTokens.map((token) => ({ token })))('HTTP answers 401 to $token', async ({ token }) => {
    const answer = await post({ authorization: Buffer.from(token).toString('latin1') })
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
  })

  it.each(badTokens.map((token) => ({ token })))('SSE answers 401 to $token', async ({ token }) => {
    const headers = { authorization: Buffer.from(token).toString('latin1'), accept: 'text/event-stream' }
    const answer = await post(headers, { query: 'subscription { storageChanged(projectId: "x") { cursor } }' })
    expect(answer.status).toBe(401)
    await answer.body?.cancel()
  })

  it.each([
    ...badTokens.map((authorization) => ({ authorization })),
    {},
    { authorization: 7 },
    { authorization: null },
  ])('WebSocket closes with 4403 for %j', async (payload) => {
    const socket = await openSocket(app.url, payload)
    expect(await socket.closed).toMatchObject({ code: 4403 })
  })

  it('WebSocket closes with 4401 when an operation comes before the token', async () => {
    const socket = await openSocket(app.url, { authorization: 'Bearer wrong' })
    socket.socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ viewer { name } }' } }))
    expect([4401, 4403]).toContain((await socket.closed).code)
  })
})

describe('a request that a web page of another origin can send', () => {
  it.each<{ what: string; url?: string; init?: RequestInit }>([
    { what: 'a link', url: `?query=${encodeURIComponent('{ viewer { name } }')}` },
    { what: 'a form', init: { method: 'POST', body: new URLSearchParams({ query: '{ viewer { name } }' }) } },
    { what: 'JSON called plain text', init: { method: 'POST', body: '{"query":"{ viewer { name } }"}' } },
  ])('($what), without a custom header, is refused', async ({ url = '', init = {} }) => {
    const answer = await fetch(`${app.url}/graphql${url}`, init)
    expect(answer.status).toBe(403)
  })

  it('gets no permission from CORS', async () => {
    const preflight = await fetch(`${app.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('GraphiQL', () => {
  it('opens in a browser without a token, and not at all when it is switched off', async () => {
    const headers = { accept: 'text/html' }
    const page = await fetch(`${app.url}/graphql`, { headers })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toContain('text/html')
    const closed = await startTestApp({ GRAPHIQL: 'false' })
    expect((await fetch(`${closed.url}/graphql`, { headers })).status).not.toBe(200)
    await closed.stop()
  })
})

describe('the first start of a database', () => {
  it('creates one token and prints it once', async () => {
    await query(app.databaseUrl, 'delete from api_token')
    const first = await startTestApp({ ADMIN_TOKEN: '' }, { url: app.databaseUrl })
    expect(first.firstToken).toMatch(/^slc_[\w-]{32}$/)
    expect((await post({ authorization: `Bearer ${first.firstToken}` })).status).toBe(200)
    await first.stop()
    const second = await startTestApp({ ADMIN_TOKEN: '' }, { url: app.databaseUrl })
    expect(second.firstToken).toBeUndefined()
    await second.stop()
  })
})

describe('a revoked token', () => {
  it('is refused for further operations on an open socket', async () => {
    const { createApiToken } = await app.request(
      `mutation { createApiToken(name: "x") { ... on CreateApiTokenSuccess { newToken { token apiToken { id } } } } }`,
    )
    const { token, apiToken } = createApiToken.newToken
    const socket = await openSocket(app.url, { authorization: `Bearer ${token}` })
    await socket.ready()
    expect((await socket.request('{ viewer { name } }')).payload).toEqual({ data: { viewer: { name: 'x' } } })
    await app.request(`mutation ($id: ID!) { revokeApiToken(id: $id) { ... on Error { code } } }`, { id: apiToken.id })
    const refused = await socket.request('{ viewer { name } }')
    expect(refused).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    socket.socket.close()
  })
})
