import { createDatabase } from '@sluice/testkit/app.ts'
import { until } from '@sluice/testkit/sql.ts'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connectionOf } from '../../src/database/open.ts'

type Database = Awaited<ReturnType<typeof createDatabase>>
let database: Database
let one: pg.Client
let other: pg.Client
let otherPid: number

beforeAll(async () => {
  database = await createDatabase()
  one = await connect()
  other = await connect()
  otherPid = (await other.query('select pg_backend_pid() as pid')).rows[0].pid
})
afterAll(async () => {
  await one?.end()
  await other?.end()
  await database?.drop()
})

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(connectionOf(database.url))
  await client.connect()
  return client
}

const ids = { project: 0, storage: 0, task: 0 }
const readId = async (client: pg.Client, text: string) => Number((await client.query(text)).rows[0].id)
const addTask = (client: pg.Client, project: number, innerId: number) =>
  readId(client, `insert into task (project_id, inner_id, data) values (${project}, ${innerId}, '{}') returning id`)
const addLink = (client: pg.Client, { storage, task } = ids) =>
  readId(
    client,
    `insert into import_link (storage_id, task_id, key) values (${storage}, ${task}, '${Math.random()}') returning id`,
  )

beforeEach(async () => {
  ids.project = await readId(one, `insert into project (title) values ('p') returning id`)
  ids.storage = await readId(
    one,
    `insert into storage (project_id, provider, direction, location, fingerprint)
     values (${ids.project}, 'S3', 'IMPORT', '{}', '') returning id`,
  )
  ids.task = await addTask(one, ids.project, 1)
})

/** Rows without their parent. */
async function orphans(): Promise<number> {
  const { rows } = await one.query(
    `select (select count(*) from task t where not exists (select from project p where p.id = t.project_id))
       + (select count(*) from import_link l where not exists (select from task t where t.id = l.task_id)
           or not exists (select from storage s where s.id = l.storage_id)) as n`,
  )
  return Number(rows[0].n)
}

const deletions = {
  project: () => `delete from project where id = ${ids.project}`,
  storage: () => `delete from storage where id = ${ids.storage}`,
  task: () => `delete from task where id = ${ids.task}`,
}
const inserts: { child: string; parent: keyof typeof deletions; insert: (client: pg.Client) => Promise<number> }[] = [
  { child: 'task', parent: 'project', insert: (client) => addTask(client, ids.project, 2) },
  { child: 'link', parent: 'storage', insert: (client) => addLink(client) },
  { child: 'link', parent: 'task', insert: (client) => addLink(client) },
]

/** Resolves when the other connection waits for a lock. */
async function otherWaits(): Promise<void> {
  await until(async () => {
    const { rows } = await one.query(
      `select 1 from pg_stat_activity where pid = ${otherPid} and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  })
}

describe('tasks and links', () => {
  it('without a parent are refused, inserted or changed', async () => {
    const missing = 1_000_000_000
    const refused = { code: '23503' }
    await expect(addTask(one, missing, 1)).rejects.toMatchObject({ ...refused, table: 'task', column: 'project_id' })
    await expect(addLink(one, { ...ids, storage: missing })).rejects.toMatchObject({
      ...refused,
      column: 'storage_id',
    })
    await expect(addLink(one, { ...ids, task: missing })).rejects.toMatchObject({ ...refused, column: 'task_id' })
    const link = await addLink(one)
    for (const [table, column, id] of [
      ['task', 'project_id', ids.task],
      ['import_link', 'storage_id', link],
      ['import_link', 'task_id', link],
    ]) {
      const change = one.query(`update ${table} set ${column} = ${missing} where id = ${id}`)
      await expect(change).rejects.toMatchObject(refused)
    }
    expect(await orphans()).toBe(0)
  })

  it.each(Object.keys(deletions) as (keyof typeof deletions)[])('are deleted with their %s', async (parent) => {
    const [link, kept] = [await addLink(one), await addTask(one, ids.project, 2)]
    await one.query(deletions[parent]())
    const { rows } = await one.query(
      `select (select count(*)::int from import_link where id = ${link}) as links,
         (select count(*)::int from task where id in (${ids.task}, ${kept})) as tasks`,
    )
    expect(rows).toEqual([{ links: 0, tasks: { project: 0, storage: 2, task: 1 }[parent] }])
    expect(await orphans()).toBe(0)
  })

  it.each(inserts)(
    'are deleted when a $child is inserted before its $parent is deleted',
    async ({ parent, insert }) => {
      await one.query('begin')
      await insert(one)
      const deletion = other.query(deletions[parent]())
      await otherWaits()
      await one.query('commit')
      await deletion
      expect(await orphans()).toBe(0)
    },
  )

  it.each(inserts)('are refused when a $child is inserted while its $parent is deleted', async ({ parent, insert }) => {
    await one.query('begin')
    await one.query(deletions[parent]())
    const insertion = insert(other).catch((error: unknown) => error)
    await otherWaits()
    await one.query('commit')
    expect(await insertion).toMatchObject({ code: '23503' })
    expect(await orphans()).toBe(0)
  })

  it('are checked by an index, also by plans that are older than most rows', async () => {
    const rowsScanned = async () => {
      const { rows } = await one.query(
        `select seq_tup_read::int as n from pg_stat_xact_user_tables where relname = 'task'`,
      )
      return rows[0].n as number
    }
    // The plans are made while the table is small, when a scan is the fastest.
    await one.query('analyze task')
    for (let n = 0; n < 10; n++) await addLink(one)
    await one.query('begin')
    await one.query(
      `insert into task (project_id, inner_id, data) select ${ids.project}, n, '{}' from generate_series(100, 5_099) as n`,
    )
    const before = await rowsScanned()
    await addLink(one)
    await one.query(deletions.task())
    expect((await rowsScanned()) - before).toBe(0)
    await one.query('rollback')
  })
})
