import { connect } from 'node:net'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { faultOf } from '@sluice/testkit/errors.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { query } from '@sluice/testkit/sql.ts'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const wide = `query ($n: Int!) { ${Array.from(
  { length: 30 },
  (_, i) => `a${i}: projects(first: $n) { edges { node { tasks(first: $n) { edges { node { id } } } } } }`,
).join(' ')} }`
const inFragments = `query ($n: Int) { ${Array.from({ length: 30 }, (_, i) => `a${i}: projects(first: $n) { ...P }`).join(' ')} }
  fragment P on QueryProjectsConnection { edges { node { ...T } } }
  fragment T on Project { tasks(last: $n) { edges { node { id } } } }`
const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

describe('limits of one operation', () => {
  let app: TestApp
  let open: Awaited<ReturnType<typeof openSocket>>
  beforeAll(async () => {
    app = await startTestApp()
    open = await openSocket(app.url, { authorization: `Bearer ${app.token}` })
    await open.ready()
  })
  afterAll(async () => {
    open?.socket.close()
    await app?.stop()
  })

  it.each([
    ['variables in 30 aliases', wide, { n: 200 }],
    ['variables inside of fragments', inFragments, { n: 200 }],
    ['a default of the schema', wide.replace('($n: Int!)', '').replaceAll('(first: $n)', ''), {}],
  ])('the cost counts %s: the operation is refused over HTTP and WebSocket', async (_what, text, variables) => {
    const fault = await faultOf(app.request(text, variables))
    expect(fault).toMatchObject({ extensions: { code: 'COST_LIMIT', maxCost: 50_000, cost: expect.any(Number) } })
    expect(fault.message).toContain('limit is 50000')
    const { payload } = await open.request(text, variables)
    expect(payload.errors[0].extensions.code).toBe('COST_LIMIT')
  })

  it('the cost of fragments inside of fragments is counted in linear time', async () => {
    const levels = Array.from({ length: 4 }, (_, i) => `fragment F${i} on Viewer { ${`...F${i + 1} `.repeat(20)} }`)
    const text = `{ viewer { ...F0 } } ${levels.join(' ')} fragment F4 on Viewer { name }`
    expect((await faultOf(app.request(text))).extensions.code).toBe('COST_LIMIT')
  })

  it('a small page with variables, and the introspection of GraphiQL, are executed', async () => {
    const { getIntrospectionQuery } = await import('graphql')
    expect(await app.request(wide, { n: 5 })).toHaveProperty('a29')
    expect(await app.request(getIntrospectionQuery())).toHaveProperty('__schema.types')
  })

  it.each([
    ['nodes', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: Array(101).fill('a') }, 'ids', /at most 100/],
    [
      'a list of statuses',
      'query ($s: [StorageStatus!]) { storages(projectId: "UHJvamVjdDox", status: $s) { edges { node { id } } } }',
      { s: Array(1_001).fill('COMPLETED') },
      'status',
      /at most 1000/,
    ],
  ])('%s accepts a limited number of items', async (_what, text, variables, path, message) => {
    const fault = await faultOf(app.request(text, variables))
    expect(fault.extensions).toMatchObject({
      code: 'VALIDATION',
      fieldErrors: [{ path, message: expect.stringMatching(message) }],
    })
  })

  it.each([6_000, 19_000])('data nested %s levels deep is a field error', async (levels) => {
    const project = await createProject(app)
    const text = `mutation ($input: CreateTasksInput!) { createTasks(input: $input) {
      ... on ValidationError { fieldErrors { path code } } } }`
    // JSON.stringify cannot write it.
    const input = `{"projectId":"${project}","tasks":[{"data":${deep(levels)}}]}`
    const answer = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${app.token}` },
      body: `{"query":${JSON.stringify(text)},"variables":{"input":${input}}}`,
    })
    const { createTasks } = (await answer.json()).data
    expect(createTasks.fieldErrors).toEqual([{ path: 'input.tasks.0.data', code: 'TASK_TOO_LARGE' }])
  })

  it.each([
    ['createAnnotations', 'CreateAnnotationInput', { taskId: 'VGFzazox' }],
    ['createPredictions', 'CreatePredictionInput', { taskId: 'VGFzazox' }],
    ['updateAnnotations', 'UpdateAnnotationInput', { id: 'QW5ub3RhdGlvbjox' }],
    ['updatePredictions', 'UpdatePredictionInput', { id: 'UHJlZGljdGlvbjox' }],
  ])('%s refuses labels with too many values', async (name, type, item) => {
    const text = `mutation ($input: [${type}!]!) { ${name}(input: $input) {
      ... on ValidationError { fieldErrors { path code } } } }`
    const answer = await app.request(text, { input: [{ ...item, result: Array(250_001).fill(1) }] })
    expect(answer[name].fieldErrors).toEqual([{ path: 'input.0.result', code: 'TASK_TOO_LARGE' }])
  })

  it('a body with more than 500,000 JSON values is refused before it is parsed', async () => {
    const answer = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${app.token}` },
      body: JSON.stringify({ query: '{ viewer { name } }', variables: { a: Array(600_000).fill(1) } }),
    })
    expect([answer.status, (await answer.json()).errors[0].extensions.code]).toEqual([413, 'REQUEST_TOO_LARGE'])
  })

  it('a body that arrives one byte at a time is answered 408, and the connection is closed', async () => {
    const { hostname, port } = new URL(app.url)
    const socket = connect(Number(port), hostname)
    let received = ''
    socket.on('data', (data) => {
      received += data
    })
    socket.on('error', () => {})
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${app.token}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`,
    )
    const drip = setInterval(() => socket.write(' '), 200)
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(drip)
    expect(received).toMatch(/^HTTP\/1\.1 408 /)
    expect(received).toContain('REQUEST_TIMEOUT')
  }, 20_000)

  it('reads stored tasks up to 64 MiB of JSON for one operation, and states the limit beyond it', async () => {
    const project = await createProject(app)
    const id = numberOf(project)
    await query(
      app.databaseUrl,
      `insert into task (project_id, inner_id, data) select ${id}, n, json_build_object('t', repeat('x', 30000000)) from generate_series(1, 4) n`,
    )
    const page = `query ($id: ID!, $n: Int) { project(id: $id) { tasks(first: $n) { edges { node { id data } } } } }`
    const fault = await faultOf(app.request(page, { id: project, n: 50 }))
    expect(fault).toMatchObject({
      message: expect.stringContaining('64 MiB'),
      extensions: { code: 'RESPONSE_TOO_LARGE' },
    })
    const one = await app.request(page, { id: project, n: 1 })
    expect(one.project.tasks.edges[0].node.data.t).toHaveLength(30_000_000)
    const without = await app.request(page.replace('data', 'innerId'), { id: project, n: 50 })
    expect(without.project.tasks.edges).toHaveLength(4)
  })
})

describe('limits of time and number', () => {
  const projects = '{ projects { edges { node { id } } } }'
  /** Lets every read of projects wait until `release`. */
  async function blockProjects(url: string) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('begin; lock table project in access exclusive mode')
    return { release: () => client.end() }
  }

  it('a statement that takes too long is canceled in the database, and the connection is used again', async () => {
    const app = await startTestApp({ STATEMENT_TIMEOUT: '0.3' })
    const { release } = await blockProjects(app.databaseUrl)
    expect(await faultOf(app.request(projects))).toMatchObject({ extensions: { code: 'OPERATION_TIMEOUT' } })
    const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    expect(await query(app.databaseUrl, waiting)).toEqual([])
    await release()
    expect(await app.request(projects)).toEqual({ projects: { edges: [] } })
    const settings = await app.orm.em.fork().getConnection().execute('show statement_timeout')
    expect(settings).toEqual([{ statement_timeout: '0' }])
    await app.stop()
  })

  it('an operation that takes too long is answered over HTTP and WebSocket; one token has a limited number in progress', async () => {
    const app = await startTestApp({ OPERATION_TIMEOUT: '1.5', OPERATIONS_PER_TOKEN: '2' })
    const open = await openSocket(app.url, { authorization: `Bearer ${app.token}` })
    await open.ready()
    const { release } = await blockProjects(app.databaseUrl)
    const slow = [faultOf(app.request(projects)), open.request(projects)] as const
    const refused = async () => {
      const answer = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${app.token}` },
        body: JSON.stringify({ query: '{ viewer { name } }' }),
      })
      return answer.status === 429 ? answer : undefined
    }
    const first = await expect.poll(refused, { timeout: 1_400 }).toBeDefined().then(refused)
    if (first) {
      expect(first.headers.get('retry-after')).toBe('1')
      expect((await first.json()).errors[0].extensions).toMatchObject({ code: 'TOO_MANY_OPERATIONS', limit: 2 })
    }
    expect((await slow[0]).extensions.code).toBe('OPERATION_TIMEOUT')
    expect((await slow[1]).payload.errors[0].extensions.code).toBe('OPERATION_TIMEOUT')
    await release()
    await expect.poll(() => app.request('{ viewer { name } }').catch(() => null), { timeout: 10_000 }).toBeTruthy()
    open.socket.close()
    await app.stop()
  })
})
