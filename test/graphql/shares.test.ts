import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createClient } from '@sluice/testkit/client.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { until } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import WebSocket from 'ws'

const changes = 'subscription ($project: ID!) { storageChanged(projectId: $project) { cursor } }'

async function otherToken(app: TestApp): Promise<string> {
  const { createApiToken } = await app.request(
    `mutation { createApiToken(name: "other") { ... on CreateApiTokenSuccess { newToken { token } } ... on Error { message } } }`,
  )
  return createApiToken.newToken.token
}

async function socketOf(app: TestApp, token = app.token) {
  const socket = await openSocket(app.url, { authorization: `Bearer ${token}` })
  onTestFinished(() => socket.socket.terminate())
  await socket.ready()
  return socket
}

interface Answer {
  type: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server put there
  payload?: any
}

/** The code of the fault that an answer tells of; without one, its type. */
const codeOf = ({ type, payload }: Answer): string =>
  (type === 'error' ? payload : payload?.errors)?.[0].extensions.code ?? type

describe('subscriptions', () => {
  let app: TestApp
  let first: string
  let second: string
  beforeAll(async () => {
    app = await startTestApp({
      SUBSCRIPTIONS_PER_SOCKET: '3',
      SUBSCRIPTIONS_PER_TOKEN: '5',
      SUBSCRIPTIONS_PER_PROJECT: '6',
      SUBSCRIPTIONS_MAX: '8',
    })
    ;[first, second] = [await createProject(app), await createProject(app)]
  })
  afterAll(() => app?.stop())

  /** `next`, the present state, or the code of the refusal. */
  const subscribe = async (socket: Awaited<ReturnType<typeof socketOf>>, project: string) =>
    codeOf(await socket.request(changes, { project }))

  it('beyond the limits of socket, token, project and process are refused with a code, and the others continue', async () => {
    const other = await otherToken(app)
    const [a, b, c, d] = [
      await socketOf(app),
      await socketOf(app),
      await socketOf(app, other),
      await socketOf(app, other),
    ]
    for (let n = 0; n < 3; n++) expect(await subscribe(a, first)).toBe('next')
    expect(await subscribe(a, first)).toBe('TOO_MANY_SUBSCRIPTIONS')
    for (let n = 0; n < 2; n++) expect(await subscribe(b, first)).toBe('next')
    // The sixth of the token.
    expect(await subscribe(b, first)).toBe('TOO_MANY_SUBSCRIPTIONS')
    expect(await subscribe(c, first)).toBe('next')
    // The seventh of the project; another project has room.
    expect(await subscribe(c, first)).toBe('TOO_MANY_SUBSCRIPTIONS')
    for (let n = 0; n < 2; n++) expect(await subscribe(c, second)).toBe('next')
    // The ninth of the process.
    expect(await subscribe(d, second)).toBe('TOO_MANY_SUBSCRIPTIONS')
    expect(await a.request('{ viewer { name } }')).toMatchObject({ type: 'next' })

    const open = app.events.size
    a.socket.close()
    await until(() => app.events.size === open - 3)
    expect(await subscribe(d, second)).toBe('next')
  })

  it('by SSE beyond a limit are refused with status 429 and Retry-After', async () => {
    const [a, b] = [await socketOf(app), await socketOf(app)]
    for (const socket of [a, a, a, b, b]) expect(await subscribe(socket, first)).toBe('next')
    const answer = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${app.token}`,
      },
      body: JSON.stringify({ query: changes, variables: { project: first } }),
    })
    expect(await answer.text()).toContain('TOO_MANY_SUBSCRIPTIONS')
    expect(answer.status).toBe(429)
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
  })
})

describe('too many requests:', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp({
      REQUESTS_PER_SECOND: '2',
      SOCKET_MESSAGES_PER_SECOND: '3',
      SOCKETS_PER_TOKEN: '2',
      SOCKETS_MAX: '4',
    })
  })
  afterAll(() => app?.stop())

  const ask = (token: string | undefined, authorization = token && `Bearer ${token}`) =>
    fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      body: JSON.stringify({ query: '{ viewer { name } }' }),
    })

  it('with one token get 429 and Retry-After, and another token is served', async () => {
    const other = await otherToken(app)
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(app.token)))
    const refused = answers.filter(({ status }) => status === 429)
    // 20 at once, less what was asked before, and 2 more for each second that this took.
    expect(refused.length).toBeGreaterThan(20)
    expect(answers.some(({ status }) => status === 200)).toBe(true)
    expect(refused[0]!.headers.get('retry-after')).toBe('1')
    expect(await refused[0]!.json()).toMatchObject({
      errors: [{ extensions: { code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 1 } }],
    })
    expect((await ask(other)).status).toBe(200)
    // The same token by WebSocket.
    const socket = await socketOf(app)
    await until(async () => {
      const answer = await socket.request('{ viewer { name } }')
      return codeOf(answer) === 'TOO_MANY_REQUESTS'
    })
  })

  it('with one token in many spellings of the header get 429', async () => {
    const token = await otherTokenOf(app)
    const spelled = (n: number) => `${n % 2 ? 'bearer' : 'BEARER'}${' '.repeat(1 + n)}${token}`
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(undefined, spelled(n))))
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(20)
  })

  it('with malformed tokens are limited by address', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(undefined, `Basic ${n}`)))
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(20)
  })

  it('without a token are limited by address', async () => {
    await until(async () => (await ask(undefined)).status === 401, {
      what: 'the allowance of the address to come back',
    })
    const statuses = (await Promise.all(Array.from({ length: 60 }, () => ask(undefined)))).map(({ status }) => status)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(20)
    expect(statuses.filter((status) => status !== 429 && status !== 401)).toEqual([])
  })

  it('as messages on one socket close it with 4429, and other sockets stay open', async () => {
    const [hostile, other] = [await socketOf(app), await socketOf(app, await otherTokenOf(app))]
    for (let n = 0; n < 100; n++) hostile.socket.send('{"type":"ping"}')
    expect(await hostile.closed).toMatchObject({ code: 4429, reason: 'Too many messages' })
    expect(await other.request('{ viewer { name } }')).toMatchObject({ type: 'next' })
  })

  it('as sockets of one token are closed with 4429, and beyond the limit of the process refused with 429', async () => {
    const other = await otherTokenOf(app)
    const mine = [await socketOf(app), await socketOf(app)]
    const third = await openSocket(app.url, { authorization: `Bearer ${app.token}` })
    expect(await third.closed).toMatchObject({ code: 4429, reason: 'Too many sockets of this token' })
    const theirs = [await socketOf(app, other), await socketOf(app, other)]
    const refused = new WebSocket(`${app.url.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws')
    const status = await new Promise((resolve, reject) => {
      refused.once('unexpected-response', (_request, response) =>
        resolve([response.statusCode, response.headers['retry-after']]),
      )
      refused.once('open', () => reject(new Error('The socket was accepted.'))).once('error', () => {})
    })
    expect(status).toEqual([429, '5'])
    mine[0]!.socket.close()
    await mine[0]!.closed
    const again = await until(async () => socketOf(app).catch(() => undefined))
    expect(again).toBeDefined()
    for (const { socket } of theirs) socket.close()
  })

  it('as sockets without a token are closed with 4429, and a socket with a token stays open', async () => {
    const known = await socketOf(app)
    const open = () => new WebSocket(`${app.url.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws')
    const first = open()
    onTestFinished(() => first.terminate())
    await new Promise((resolve) => first.once('open', resolve))
    const second = open()
    expect(await new Promise((resolve) => second.once('close', resolve))).toBe(4429)
    expect(codeOf(await known.request('{ viewer { name } }'))).toMatch(/^next$|^TOO_MANY_REQUESTS$/)
  })

  /** A token whose own requests are not counted yet, made without the flooded one. */
  async function otherTokenOf({ url, token }: TestApp): Promise<string> {
    const client = createClient(url, token)
    const made = await until(() =>
      client
        .request(`mutation { createApiToken(name: "other") { ... on CreateApiTokenSuccess { newToken { token } } } }`)
        .catch(() => undefined),
    )
    return made.createApiToken.newToken.token
  }
})
