import { randomBytes } from 'node:crypto'
import { MikroORM } from '@mikro-orm/postgresql'
import { startTestApp } from '@sluice/testkit/app.ts'
import { launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { admin, databaseUrl } from '@sluice/testkit/postgres.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { migrations } from '../../src/database/migrations/index.ts'
import { openDatabase, ormOptions } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import { type FormerSchema, formerSchemas } from './former-schemas.ts'

const server = inject('postgres')
const newest = migrations.at(-1)!.name

async function emptyDatabase(): Promise<string> {
  const name = `former_${randomBytes(6).toString('hex')}`
  await admin(server, `create database ${name}`)
  onTestFinished(() => admin(server, `drop database if exists ${name} with (force)`))
  return databaseUrl(server, name)
}

/** A database as the commits made it, with a project and its storage. */
async function databaseOf(schema: FormerSchema): Promise<string> {
  const url = await emptyDatabase()
  const options = ormOptions(url)
  const orm = await MikroORM.init({
    ...options,
    migrations: { ...options.migrations, migrationsList: schema.migrations },
  })
  await orm.migrator.up()
  await orm.close(true)
  await query(url, `insert into project (title) values ('kept')`)
  await query(
    url,
    `insert into storage (project_id, direction, provider, location, fingerprint)
     values (1, 'IMPORT', 'S3', '{"bucket": "photos"}', 'f')`,
  )
  return url
}

describe('a database of 24 November', () => {
  it.each(formerSchemas)('created by the commits $commits starts with all its rows', async (schema) => {
    const url = await databaseOf(schema)
    const app = await startTestApp({}, { url })
    onTestFinished(app.stop)
    const { projects } = await app.request('{ projects { edges { node { title } } } }')
    expect(projects.edges.map((edge: { node: { title: string } }) => edge.node.title)).toEqual(['kept'])
    expect(await query(url, 'select fingerprint, skip_sidecars from storage')).toEqual([
      { fingerprint: 'f', skip_sidecars: true },
    ])
  })

  it.each(formerSchemas)('created by the commits $commits gets exactly the schema of the entities', async (schema) => {
    const url = await databaseOf(schema)
    const orm = await openDatabase(url, createLogger('silent'))
    onTestFinished(() => orm.close(true))
    expect(await orm.schema.getUpdateSchemaSQL()).toBe('')
    const names = await query(url, 'select name from mikro_orm_migrations')
    expect(names.map(({ name }) => name).sort()).toEqual(migrations.map(({ name }) => name))
  })
})

describe('a database that a newer version has migrated', () => {
  /** What a newer version does to a database. */
  const migrate = async (url: string) => {
    await query(url, `insert into mikro_orm_migrations (name) values ('9998-other'), ('9999-from-the-future')`)
    await query(url, 'alter table project add column of_the_future text null')
  }

  it('makes this version refuse to start, with one line that names both versions, in every role', async () => {
    const url = await emptyDatabase()
    await (await openDatabase(url, createLogger('silent'))).close(true)
    await migrate(url)
    const before = await query(url, 'select * from mikro_orm_migrations order by id')
    for (const role of ['api', 'worker']) {
      const folder = temporaryFolder()
      onTestFinished(folder.remove)
      const server = launch({ DATA_DIR: folder.path, DATABASE_URL: url, SLUICE_ROLES: role })
      onTestFinished(() => void server.child.kill('SIGKILL'))
      await server.prints('9999-from-the-future')
      await until(() => server.child.exitCode !== null, { what: 'the refused process to end' })
      const { code, output } = await server.ended
      expect(output).toContain('its schema version is 9999-from-the-future')
      expect(output).toContain(`knows schema versions up to ${newest}.`)
      expect(output).toMatch(/this version \(\d+\.\d+\.\d+\)/)
      expect(output.trimEnd().split('\n')).toHaveLength(1)
      expect(code).toBe(78)
    }
    expect(await query(url, 'select * from mikro_orm_migrations order by id')).toEqual(before)
  })

  it('still serves running processes of this version', async () => {
    const app = await startTestApp()
    onTestFinished(app.stop)
    await migrate(app.databaseUrl)
    const id = await createProject(app)
    expect(await app.request('query ($id: ID!) { project(id: $id) { id } }', { id })).toEqual({ project: { id } })
    await expect(startTestApp({}, { url: app.databaseUrl })).rejects.toThrow(/9999-from-the-future/)
    expect(await app.request('query ($id: ID!) { project(id: $id) { id } }', { id })).toEqual({ project: { id } })
  })
})
