import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { faultOf } from '@sluice/testkit/errors.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query, statementsOf } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ STORAGE_IN_PROGRESS_TIMER: '3600' })
})
afterAll(() => app?.stop())

const sql = (text: string, params: unknown[] = []) => query(app.databaseUrl, text, params)

async function projectWithTasks(count: number) {
  const id = await createProject(app)
  const add = async (from: number, to: number) => {
    await sql(
      `insert into task (project_id, inner_id, data) select $1, n, json_build_object('n', n) from generate_series($2::int, $3::int) n`,
      [numberOf(id), from, to],
    )
  }
  await add(1, count)
  return { id, add }
}

const page = async (id: string, args: string) => {
  const { project } = await app.request(
    `query ($id: ID!) { project(id: $id) { tasks${args} {
      totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { innerId } } } } }`,
    { id },
  )
  const { edges, ...rest } = project.tasks
  return { ...rest, numbers: edges.map(({ node }: { node: { innerId: number } }) => node.innerId) }
}

describe('a list', () => {
  it('is paged forwards and backwards, newest first, with a total', async () => {
    const { id } = await projectWithTasks(5)
    const first = await page(id, '(first: 2)')
    expect(first).toMatchObject({
      totalCount: 5,
      numbers: [5, 4],
      pageInfo: { hasNextPage: true, hasPreviousPage: false },
    })
    const second = await page(id, `(first: 2, after: "${first.pageInfo.endCursor}")`)
    expect(second.numbers).toEqual([3, 2])
    const third = await page(id, `(first: 2, after: "${second.pageInfo.endCursor}")`)
    expect(third).toMatchObject({ numbers: [1], pageInfo: { hasNextPage: false } })
    expect((await page(id, '(last: 2)')).numbers).toEqual([2, 1])
    expect((await page(id, `(last: 2, before: "${third.pageInfo.startCursor}")`)).numbers).toEqual([3, 2])
    expect(await page(id, '(first: 0)')).toMatchObject({ numbers: [], totalCount: 5 })
  })

  it('stays in place while objects are added', async () => {
    const { id, add } = await projectWithTasks(4)
    const first = await page(id, '(first: 2)')
    await add(5, 9)
    const second = await page(id, `(first: 2, after: "${first.pageInfo.endCursor}")`)
    expect([...first.numbers, ...second.numbers]).toEqual([4, 3, 2, 1])
  })

  it('has 50 objects by default, and at most 200', async () => {
    const { id } = await projectWithTasks(210)
    expect((await page(id, '')).numbers).toHaveLength(50)
    expect((await page(id, '(first: 200)')).numbers).toHaveLength(200)
    for (const args of ['(first: 201)', '(first: -1)', '(last: 201)', '(after: "x")', '(before: "1; drop")']) {
      expect(await faultOf(page(id, args))).toMatchObject({ extensions: { code: 'VALIDATION' } })
    }
  })

  it('counts only when the total is asked for', async () => {
    const { id } = await projectWithTasks(3)
    const counted = async (fields: string) => {
      const sent = await statementsOf(() =>
        app.request(`query ($id: ID!) { project(id: $id) { tasks { ${fields} } } }`, { id }),
      )
      return sent.filter((text) => /count\(/.test(text)).length
    }
    expect(await counted('edges { node { id } }')).toBe(0)
    expect(await counted('totalCount')).toBe(1)
  })
})

describe('the SQL statements of a page', () => {
  let project: string
  beforeAll(async () => {
    project = await createProject(app)
    await sql(
      `with made as (
         insert into storage (project_id, direction, provider, location, fingerprint)
         select $1, 'IMPORT', 'S3', '{"bucket":"abc","prefix":""}', n::text from generate_series(1, 100) n returning id),
       runs as (
         insert into sync_run (storage_id, status, listed) select id, 'COMPLETED', id from made returning id, storage_id)
       select 1`,
      [numberOf(project)],
    )
    await sql('update storage set last_run = r.id from sync_run r where r.storage_id = storage.id')
    await sql(
      `with tasks as (insert into task (project_id, inner_id, data)
         select $1, n, '{"file":"s3://abc/x"}' from generate_series(1, 100) n returning id),
       predictions as (insert into prediction (task_id, result) select id, '[]' from tasks),
       annotations as (insert into annotation (task_id, result) select id, '[]' from tasks)
       insert into import_link (storage_id, task_id, key)
       select (select min(id) from storage where project_id = $1), id, id::text from tasks`,
      [numberOf(project)],
    )
  })
  /** The fewest statements of some tries: jobs that go by the clock may add theirs to one. */
  const cost = async (fields: string, first: number) => {
    const tries: number[] = []
    for (let n = 0; n < 5; n++) {
      const sent = await statementsOf(async () => {
        const read = await app.request(`query ($id: ID!, $first: Int) { ${fields} }`, { id: project, first })
        expect(JSON.stringify(read).match(/"databaseId"/g)).toHaveLength(first)
      })
      tries.push(sent.length)
    }
    return Math.min(...tries)
  }

  it('of storages with project, last run and counters are as many for 100 as for 10', async () => {
    const fields = `storages(projectId: $id, first: $first) { totalCount edges { node { id databaseId status failure
      project { title } lastRun { status durationMs storage { id } counters { listed created } } } } }`
    const [ten, hundred] = [await cost(fields, 10), await cost(fields, 100)]
    expect(hundred).toBe(ten)
    expect(hundred).toBeLessThanOrEqual(8)
  })

  it('of tasks with links, labels and resolved data are as many for 100 as for 10', async () => {
    const fields = `project(id: $id) { tasks(first: $first) { edges { node { databaseId data resolvedData
      project { title } link { key uri task { id } } predictions { result } annotations { result } } } } }`
    const [ten, hundred] = [await cost(fields, 10), await cost(fields, 100)]
    expect(hundred).toBe(ten)
    expect(hundred).toBeLessThanOrEqual(10)
  })
})

describe('the storages of a project', () => {
  it('can be filtered by direction, provider and state', async () => {
    const project = await createProject(app)
    await sql(
      `insert into storage (project_id, direction, provider, location, fingerprint)
       values ($1, 'IMPORT', 'S3', '{"bucket":"abc","prefix":""}', 'a'), ($1, 'IMPORT', 'LOCAL_FILES', '{"path":"x"}', 'b')`,
      [numberOf(project)],
    )
    const found = async (args: string) => {
      const { storages } = await app.request(
        `query ($id: ID!) { storages(projectId: $id, ${args}) { totalCount edges { node { provider } } } }`,
        { id: project },
      )
      return storages.edges.map(({ node }: { node: { provider: string } }) => node.provider)
    }
    expect(await found('direction: IMPORT')).toEqual(['LOCAL_FILES', 'S3'])
    expect(await found('direction: EXPORT')).toEqual([])
    expect(await found('provider: S3')).toEqual(['S3'])
    expect(await found('status: [INITIALIZED]')).toEqual(['LOCAL_FILES', 'S3'])
    expect(await found('status: [FAILED, COMPLETED]')).toEqual([])
    expect(await found('status: []')).toEqual([])
  })
})
