import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createClient } from '@sluice/testkit/client.ts'
import { errorFields, faultOf, unknownId } from '@sluice/testkit/errors.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query, type Sent, watchStatements } from '@sluice/testkit/sql.ts'
import { deleteTasks } from '@sluice/testkit/tasks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app?.stop())

const fields = 'id databaseId title description dataKey annotationsPerTask createdAt updatedAt'
const mutate = async (name: 'create' | 'update', input: Record<string, unknown>) => {
  const { result } = await app.request(
    `mutation ($input: ${name === 'create' ? 'Create' : 'Update'}ProjectInput!) { result: ${name}Project(input: $input) {
      ... on ${name === 'create' ? 'Create' : 'Update'}ProjectSuccess { project { ${fields} } } ${errorFields} } }`,
    { input },
  )
  return result
}
const remove = async (id: string) => {
  const { deleteProject } = await app.request(
    `mutation ($id: ID!) { deleteProject(id: $id) { ... on DeleteProjectSuccess { deletedId } ... on Error { code message } } }`,
    { id },
  )
  return deleteProject
}

describe('projects', () => {
  it('are created with defaults and returned by every query', async () => {
    const { project } = await mutate('create', { title: 'Cats' })
    expect(project).toMatchObject({ title: 'Cats', description: null, dataKey: 'file', annotationsPerTask: 1 })
    const read = await app.request(
      `query ($id: ID!) { project(id: $id) { ${fields} } node(id: $id) { ... on Project { ${fields} } }
        projects(first: 1) { totalCount edges { node { ${fields} } } } }`,
      { id: project.id },
    )
    expect(read.project).toEqual(project)
    expect(read.node).toEqual(project)
    expect(read.projects.edges[0].node).toEqual(project)
  })

  it('keep the fields that an update omits; null clears the description', async () => {
    const { project } = await mutate('create', { title: 'A', description: 'Words', dataKey: 'image' })
    const changed = await mutate('update', { id: project.id, title: 'B', annotationsPerTask: 3 })
    expect(changed.project).toMatchObject({ title: 'B', description: 'Words', dataKey: 'image', annotationsPerTask: 3 })
    const cleared = await mutate('update', { id: project.id, description: null })
    expect(cleared.project).toMatchObject({ title: 'B', description: null })
  })

  it('report all errors of their input at once and change nothing', async () => {
    const { project } = await mutate('create', { title: 'A' })
    const bad = { title: ' ', dataKey: '', annotationsPerTask: 0 }
    for (const answer of [await mutate('create', bad), await mutate('update', { id: project.id, ...bad })]) {
      expect(answer.code).toBe('VALIDATION')
      expect(answer.fieldErrors.map(({ path }: { path: string }) => path)).toEqual([
        'input.title',
        'input.dataKey',
        'input.annotationsPerTask',
      ])
    }
    const long = await mutate('create', { title: 'x'.repeat(501) })
    expect(long.fieldErrors).toMatchObject([{ path: 'input.title' }])
  })

  it('refuse a text with a NUL character as invalid input', async () => {
    const fault = await faultOf(mutate('create', { title: 'a\0b' }))
    expect(fault.extensions).toMatchObject({ code: 'VALIDATION' })
  })

  it('are deleted with all their data', async () => {
    const id = await createProject(app)
    expect(await remove(id)).toEqual({ deletedId: id })
    expect(await app.request('query ($id: ID!) { node(id: $id) { id } project(id: $id) { id } }', { id })).toEqual({
      node: null,
      project: null,
    })
    expect(await remove(id)).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('cannot be deleted while a sync is active', async () => {
    const id = await createProject(app)
    const [{ storage }] = await query(
      app.databaseUrl,
      `insert into storage (project_id, direction, provider, location, fingerprint)
       select max(id), 'IMPORT', 'S3', '{}', 'x' from project returning id as storage`,
    )
    await query(
      app.databaseUrl,
      `insert into sync_run (storage_id, status, heartbeat_at) values ($1, 'IN_PROGRESS', now() + interval '1 hour')`,
      [storage],
    )
    expect(await remove(id)).toMatchObject({ code: 'CONFLICT' })
  })
})

describe('ids', () => {
  it.each([
    '',
    'nonsense',
    'UHJvamVjdDo=',
    unknownId('Project'),
    unknownId('Nothing'),
    Buffer.from('Project:abc').toString('base64'),
    Buffer.from('Project:1e3').toString('base64'),
    Buffer.from('Project:99999999999999999999').toString('base64'),
    Buffer.from('SyncRun:-1').toString('base64'),
  ])('%j is the id of no object', async (id) => {
    const read = await app.request(
      'query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } project(id: $id) { id } task(id: $id) { id } storage(id: $id) { id } }',
      { id },
    )
    expect(read).toEqual({ node: null, nodes: [null], project: null, task: null, storage: null })
    expect(await mutate('update', { id, title: 'x' })).toMatchObject({ code: 'NOT_FOUND' })
    expect(await remove(id)).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('return their objects in the requested order, with repetitions', async () => {
    const [a, b] = [await createProject(app, 'a'), await createProject(app, 'b')]
    const { nodes } = await app.request('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
      ids: [b, unknownId('Project'), a, b],
    })
    expect(nodes).toEqual([{ id: b }, null, { id: a }, { id: b }])
  })

  it('of at most 10,000 tasks are deleted at once', async () => {
    expect(await deleteTasks(app, [unknownId('Task')])).toBe(0)
    const { deleteTasks: answer } = await app.request(
      `mutation ($ids: [ID!]!) { deleteTasks(ids: $ids) { ${errorFields} } }`,
      { ids: Array.from({ length: 10_001 }, () => unknownId('Task')) },
    )
    expect(answer).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path: 'ids' }] })
  })
})

describe('API tokens', () => {
  it('open the API until they are revoked', async () => {
    const { createApiToken } = await app.request(
      `mutation { createApiToken(name: " script ") { ... on CreateApiTokenSuccess {
        newToken { token apiToken { id name revokedAt } } } ${errorFields} } }`,
    )
    const { token, apiToken } = createApiToken.newToken
    expect(apiToken).toMatchObject({ name: 'script', revokedAt: null })
    const other = createClient(app.url, token)
    expect(await other.request('{ viewer { name } }')).toEqual({ viewer: { name: 'script' } })
    const [row] = await query(app.databaseUrl, `select t::text as text from api_token t where name = 'script'`)
    expect(row.text).not.toContain(token)

    const revoke = `mutation ($id: ID!) { revokeApiToken(id: $id) {
      ... on RevokeApiTokenSuccess { apiToken { id revokedAt } } ... on Error { code message } } }`
    const { revokeApiToken } = await app.request(revoke, { id: apiToken.id })
    expect(revokeApiToken.apiToken).toEqual({ id: apiToken.id, revokedAt: expect.any(String) })
    expect(await faultOf(other.request('{ viewer { name } }'))).toMatchObject({
      extensions: { code: 'UNAUTHENTICATED' },
    })
    expect((await app.request(revoke, { id: unknownId('ApiToken') })).revokeApiToken).toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('need a name', async () => {
    const { createApiToken } = await app.request(`mutation { createApiToken(name: " ") { ${errorFields} } }`)
    expect(createApiToken).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path: 'name' }] })
  })

  it('of many tasks are deleted in transactions of bounded size', async () => {
    const { project } = await mutate('create', { title: 'Many' })
    await query(
      app.databaseUrl,
      `insert into task (project_id, inner_id, data) select $1, 3 * n, '{}' from generate_series(1, 25000) n`,
      [project.databaseId],
    )
    const sent: Sent[] = []
    const end = watchStatements(sent)
    expect(await remove(project.id)).toEqual({ deletedId: project.id })
    end()
    const blocks = sent.filter(({ text }) => text.startsWith('delete from task'))
    expect(blocks.map(({ params }) => params)).toEqual([
      [project.databaseId, 0, 30_000],
      [project.databaseId, 30_000, 60_000],
    ])
    const [left] = await query(app.databaseUrl, 'select count(*)::int as tasks from task where project_id = $1', [
      project.databaseId,
    ])
    expect(left).toEqual({ tasks: 0 })
  })
})
