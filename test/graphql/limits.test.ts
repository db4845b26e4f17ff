import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { faultOf } from '@sluice/testkit/errors.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

let app: TestApp
let open: Awaited<ReturnType<typeof openSocket>>
beforeAll(async () => {
  app = await startTestApp({ LOG_LEVEL: 'silent' })
  open = await openSocket(app.url, { authorization: `Bearer ${app.token}` })
  await open.ready()
})
afterAll(async () => {
  open?.socket.close()
  await app?.stop()
})

const nested = (levels: number): string =>
  levels === 0 ? 'id' : `tasks { edges { node { project { ${nested(levels - 1)} } } } }`
const greedy = `{ projects(first: 200) { edges { node { tasks(first: 200) { edges { node { id } } } } } } }`
const tooMuch = [
  { what: 'depth', text: `{ projects { edges { node { ${nested(4)} } } } }`, words: /depth/i },
  {
    what: 'aliases',
    text: `{ ${Array.from({ length: 31 }, (_, i) => `a${i}: viewer { name }`).join(' ')} }`,
    words: /alias/i,
  },
  { what: 'tokens', text: `{ ${'viewer { name } '.repeat(600)} }`, words: /token/i },
  { what: 'directives', text: `{ viewer { name ${'@skip(if: false) '.repeat(51)} } }`, words: /directive/i },
  { what: 'pages inside pages', text: greedy, words: /cost/i },
  { what: 'errors in its syntax', text: '{ viewer { ', words: /syntax/i },
  { what: 'unknown fields', text: '{ viewer { password } }', words: /password/ },
]

describe('an operation with too many or too much', () => {
  it.each(tooMuch)('$what is refused over HTTP', async ({ text, words }) => {
    const fault = await faultOf(app.request(text))
    expect(fault.message).toMatch(words)
  })

  it.each(tooMuch)('$what is refused over WebSocket, and the socket stays open', async ({ text, words }) => {
    const { type, payload } = await open.request(text)
    const errors = type === 'error' ? payload : payload.errors
    expect(errors[0].message).toMatch(words)
    expect((await open.request('{ viewer { name } }')).payload).toEqual({ data: { viewer: { name: 'admin' } } })
  })

  it('for one page of 200 with all its fields is allowed', async () => {
    const read = await app.request(
      `{ projects(first: 200) { edges { node { id title description createdAt updatedAt } } } }`,
    )
    expect(read.projects.edges).toEqual([])
  })

  it('bytes in one message ends the socket', async () => {
    // The library reports it there.
    vi.spyOn(console, 'error').mockImplementationOnce(() => {})
    const socket = await openSocket(app.url, { authorization: `Bearer ${app.token}` })
    await socket.ready()
    socket.socket.send('x'.repeat(1_000_001))
    expect((await socket.closed).code).toBe(1009)
  })
})

describe('a NUL character', () => {
  it.each(['HTTP', 'WebSocket'])('in a variable or a text is refused over %s', async (door) => {
    for (const [text, variables] of [
      ['query ($id: ID!) { node(id: $id) { id } }', { id: 'a\0' }],
      ['{ node(id: "a\\u0000") { id } }', {}],
    ] as const) {
      const fault =
        door === 'HTTP'
          ? await faultOf(app.request(text, variables))
          : await open
              .request(text, variables)
              .then(({ type, payload }) => (type === 'error' ? payload : payload.errors)[0])
      expect(fault).toMatchObject({ extensions: { code: 'VALIDATION' } })
    }
  })
})

describe('an unexpected error', () => {
  it('is masked and has an id, over HTTP and WebSocket', async () => {
    await query(app.databaseUrl, 'alter table project rename to gone')
    try {
      const text = '{ projects { edges { node { id } } } }'
      const fault = await faultOf(app.request(text))
      const { payload } = await open.request(text)
      for (const seen of [fault, payload.errors[0]]) {
        expect(seen.message).toBe('An internal error occurred.')
        expect(seen.extensions).toEqual({ code: 'INTERNAL', faultId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
      }
    } finally {
      await query(app.databaseUrl, 'alter table gone rename to project')
    }
  })
})

describe('introspection', () => {
  const text = '{ __schema { queryType { name } } }'
  it('is answered by default, and refused over HTTP and WebSocket if it is disabled', async () => {
    expect(await app.request(text)).toEqual({ __schema: { queryType: { name: 'Query' } } })
    const closed = await startTestApp({ INTROSPECTION: 'false', GRAPHIQL: 'false' })
    const socket = await openSocket(closed.url, { authorization: `Bearer ${closed.token}` })
    await socket.ready()
    expect((await faultOf(closed.request(text))).message).toMatch(/introspection/i)
    expect((await socket.request(text)).payload[0].message).toMatch(/introspection/i)
    expect(await closed.request('{ viewer { __typename name } }')).toEqual({
      viewer: { __typename: 'Viewer', name: 'admin' },
    })
    socket.socket.close()
    await closed.stop()
  })
})
