import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const strangers = { PUBLIC_URL: 'https://sluice.example' }

/** Operations with one wrong name each; graphql-js knows a similar one. */
const misspelled: { what: string; query: string; variables?: Record<string, unknown> }[] = [
  { what: 'a field', query: '{ viewr { name } }' },
  { what: 'a type', query: 'query ($x: Strin) { viewer { name } }' },
  { what: 'an argument', query: '{ node(idd: "x") { id } }' },
  {
    what: 'an enum value',
    query: '{ projects(first: 1) { edges { node { importStorages(provider: S4) { edges { node { id } } } } } } }',
  },
  { what: 'an input field', query: 'mutation { createProject(input: { titel: "x" }) { __typename } }' },
  {
    what: 'an input field in variables',
    query: 'mutation ($input: CreateProjectInput!) { createProject(input: $input) { __typename } }',
    variables: { input: { title: 'x', dataKe: 'y' } },
  },
  { what: 'a selection', query: '{ viewer }' },
  { what: 'a subscription', query: 'subscription { storageChangd(projectId: "x") { cursor } }' },
]

describe('names of the schema', () => {
  let local: TestApp
  let open: TestApp
  beforeAll(async () => {
    ;[local, open] = await Promise.all([startTestApp(), startTestApp(strangers)])
  })
  afterAll(() => Promise.all([local?.stop(), open?.stop()]))

  const urlOf = (app: TestApp) => `http://127.0.0.1:${app.port}`
  const post = async (app: TestApp, body: object, headers: Record<string, string>) => {
    const answer = await fetch(`${urlOf(app)}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: answer.status, text: await answer.text() }
  }

  it.each(misspelled)(
    'are suggested for $what in local mode only, whatever the transport',
    async ({ query, variables }) => {
      const bearer = (app: TestApp) => ({ authorization: `Bearer ${app.token}` })
      const seen: string[] = []
      for (const accept of ['application/json', 'text/event-stream']) {
        const { text } = await post(open, { query, variables }, { ...bearer(open), accept })
        expect(text).toContain('errors')
        seen.push(text)
      }
      const socket = await openSocket(urlOf(open), bearer(open))
      await socket.ready()
      seen.push(JSON.stringify((await socket.request(query, variables)).payload))
      socket.socket.close()
      for (const text of seen) expect(text).not.toMatch(/did you mean/i)
    },
  )

  it('are suggested in local mode', async () => {
    const { text } = await post(local, { query: '{ viewr { name } }' }, { authorization: `Bearer ${local.token}` })
    expect(text).toContain('Did you mean')
  })

  it.each(['{ viewr { name } }', '{ __schema { types { name } } }', '{ node { id } }', '{', ''])(
    'are not disclosed to a client without a valid token: %j gets 401 before it is parsed',
    async (query) => {
      for (const app of [local, open]) {
        for (const authorization of [undefined, 'Bearer wrong']) {
          const answer = await post(app, { query }, authorization ? { authorization } : {})
          expect(answer.status).toBe(401)
          expect(Object.keys(JSON.parse(answer.text))).toEqual(['errors'])
          expect(answer.text).not.toMatch(/Query|Syntax|field|viewer|mean/)
        }
      }
    },
  )

  it('are introspected in local mode only, unless INTROSPECTION says otherwise', async () => {
    const text = '{ __schema { queryType { name } } }'
    const asked = async (app: TestApp) =>
      (await post(app, { query: text }, { authorization: `Bearer ${app.token}` })).text.includes('"data"')
    const chosen = await startTestApp({ ...strangers, INTROSPECTION: 'true' })
    expect([await asked(local), await asked(open), await asked(chosen)]).toEqual([true, false, true])
    await chosen.stop()
  })

  it('are visible in GraphiQL in local mode only, unless GRAPHIQL says otherwise', async () => {
    const chosen = await startTestApp({ ...strangers, GRAPHIQL: 'true' })
    const page = (app: TestApp) => fetch(`${urlOf(app)}/graphql`, { headers: { accept: 'text/html' } })
    const answers = await Promise.all([local, open, chosen].map(page))
    expect(answers.map(({ status }) => status === 200)).toEqual([true, false, true])
    const policy = answers[0]!.headers.get('content-security-policy')
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("default-src 'none'")
    expect(policy).toMatch(/script-src 'nonce-[\w+/]{24}'/)
    expect(answers[0]!.headers.get('x-frame-options')).toBe('DENY')
    await chosen.stop()
  })
})
