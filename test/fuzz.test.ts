import { connect } from 'node:net'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'

/** Same inputs in every run. */
const seed = 20_261_129

let app: TestApp
let project: string
let tried = 0
beforeAll(async () => {
  app = await startTestApp({ LOG_LEVEL: 'silent' })
  project = await createProject(app)
})
afterAll(() => app?.stop())

const run = <T>(count: number, input: fc.Arbitrary<T>, check: (value: T) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(input, async (value) => {
      tried++
      await check(value)
    }),
    { seed, numRuns: count, endOnFailure: true },
  )

async function mustBeRefused(answer: Response): Promise<void> {
  const text = await answer.text()
  expect(answer.status, text.slice(0, 500)).toBeLessThan(500)
  expect(text).not.toContain('INTERNAL')
}

const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${app.token}`, ...headers },
    body,
  })

const documents = [
  'query ($id: ID!, $n: Int, $c: String) { project(id: $id) { title tasks(first: $n, after: $c) { edges { node { id data } } } } }',
  'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Task { data } } }',
  'mutation ($p: ID!, $d: JSON!) { createTasks(input: { projectId: $p, tasks: [{ data: $d }] }) { __typename } }',
  'mutation ($id: ID!, $s: Float) { updatePredictions(input: [{ id: $id, score: $s }]) { __typename } }',
  'query ($p: ID!, $u: [String!]!) { resolveUris(projectId: $p, uris: $u) { url code } }',
]
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '',
    '\0',
    '../../etc/passwd',
    '%00',
    '%',
    '1e999',
    '-1',
    '9'.repeat(400),
    '🙂',
    '\ud800',
    "' or 1=1 --",
  ),
)
const globalIds = fc.oneof(
  texts,
  fc
    .tuple(fc.constantFrom('Task', 'Project', 'ImportStorage', 'Query', '__proto__'), texts)
    .map(([type, id]) => Buffer.from(`${type}:${id}`).toString('base64')),
)
const values = fc.oneof(
  texts,
  globalIds,
  fc.double(),
  fc.integer(),
  fc.constant(null),
  fc.array(globalIds),
  fc.jsonValue(),
)

describe('seeded hostile input: no answer is 5xx or INTERNAL, and the server stays up', () => {
  it('GraphQL documents with characters cut, doubled and replaced', () =>
    run(
      400,
      fc.tuple(fc.constantFrom(...documents), fc.array(fc.tuple(fc.nat(200), fc.nat(8), texts), { maxLength: 3 })),
      async ([document, edits]) => {
        let query = document
        for (const [at, cut, text] of edits) query = query.slice(0, at) + text + query.slice(at + cut)
        await mustBeRefused(
          await post(JSON.stringify({ query, variables: { id: project, p: project, ids: [], u: [] } })),
        )
      },
    ))

  it('variables of any type', () =>
    run(
      500,
      fc.tuple(
        fc.constantFrom(...documents),
        fc.dictionary(fc.constantFrom('id', 'ids', 'n', 'c', 'p', 'd', 's', 'u'), values),
      ),
      async ([query, variables]) =>
        mustBeRefused(await post(JSON.stringify({ query, variables: { p: project, id: project, ...variables } }))),
    ))

  it('bodies that are no operation', () =>
    run(
      200,
      fc.oneof(
        fc.json(),
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        texts,
      ),
      async (body) => mustBeRefused(await post(body as BodyInit)),
    ))

  it('paths, ids and fileuri of the HTTP routes', () =>
    run(
      400,
      fc.tuple(
        fc.constantFrom('tasks', 'projects', 'graphql', 'health', 'x'),
        texts,
        texts,
        texts,
        fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE'),
      ),
      async ([route, id, uri, range, method]) => {
        const encode = (text: string) => encodeURIComponent(text.toWellFormed())
        const fileuri = uri.length % 2 ? encode(uri) : Buffer.from(uri).toString('base64url')
        await mustBeRefused(
          await fetch(`${app.url}/${route}/${encode(id)}/resolve/?fileuri=${fileuri}`, {
            method,
            redirect: 'manual',
            headers: { authorization: `Bearer ${app.token}`, range: `bytes=${encode(range)}` },
          }),
        )
      },
    ))

  it('raw request lines and headers', () =>
    run(
      200,
      fc.tuple(
        fc.constantFrom('GET', 'POST', 'OPTIONS', '\0', 'G ET'),
        texts,
        fc.array(fc.tuple(texts, texts), { maxLength: 4 }),
      ),
      async ([method, path, headers]) => {
        const { hostname, port } = new URL(app.url)
        const socket = connect(Number(port), hostname)
        const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
        socket.end(`${method} /${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines}\r\n`)
        let received = ''
        socket.on('data', (data) => {
          received += data.toString('latin1')
        })
        await new Promise((resolve) => socket.once('close', resolve).once('error', resolve))
        expect(received).not.toMatch(/^HTTP\/1\.1 5/)
      },
    ))

  it('WebSocket messages', () =>
    run(
      220,
      fc.tuple(
        fc.boolean(),
        fc.oneof(
          texts,
          fc.json(),
          fc.record({
            id: values,
            type: fc.constantFrom('subscribe', 'complete', 'ping', 'pong', 'x'),
            payload: values,
          }),
          fc.record({
            id: fc.string({ minLength: 1 }),
            type: fc.constant('subscribe'),
            payload: fc.record({
              query: fc.oneof(fc.constantFrom(...documents), texts),
              variables: fc.dictionary(fc.string(), values),
            }),
          }),
        ),
      ),
      async ([signsIn, message]) => {
        const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
        const received: string[] = []
        socket.on('message', (data) => received.push(String(data)))
        const closed = new Promise((resolve) => socket.once('close', resolve).once('error', resolve))
        await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
        if (signsIn) {
          socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${app.token}` } }))
          await Promise.race([closed, new Promise((resolve) => socket.once('message', resolve))])
        }
        socket.send(typeof message === 'string' ? message : JSON.stringify(message))
        socket.send(JSON.stringify({ type: 'ping' }))
        await Promise.race([closed, new Promise((resolve) => socket.once('message', resolve))])
        socket.terminate()
        expect(received.join()).not.toContain('INTERNAL')
      },
    ))

  it('after at least 1,900 inputs the server is alive', async () => {
    expect(tried).toBeGreaterThanOrEqual(1_900)
    expect((await fetch(`${app.url}/health`)).status).toBe(200)
    expect(await app.request('{ viewer { name } }')).toEqual({ viewer: { name: 'admin' } })
  })
})
