import { readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createDatabase } from '@sluice/testkit/app.ts'
import { launch, postgresRuns, temporaryFolder } from '@sluice/testkit/launch.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { describe, expect, inject, it, onTestFinished } from 'vitest'

function dataFolder(): string {
  const folder = temporaryFolder()
  onTestFinished(folder.remove)
  return folder.path
}

describe('a start that fails', () => {
  it('says in one line that the port is in use, leaves no PostgreSQL running, and keeps the admin token for later', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await waitFor(other, 'listening')
    const { port } = other.address() as AddressInfo
    const env = { DATA_DIR: dataFolder() }
    const { code, output } = await launch({ ...env, PORT: String(port) }).ended
    other.close()
    expect(output).toBe(`Port ${port} on 127.0.0.1 is in use. Set PORT to another port.\n`)
    expect(code).toBe(75)
    expect(postgresRuns(env.DATA_DIR)).toBe(false)

    const server = launch(env)
    expect((await server.ready()).token).toMatch(/^slc_/)
    await server.end()
  })

  it('reports all invalid settings at once, with messages, and repeats no value', async () => {
    const dataDir = dataFolder()
    const { code, output } = await launch({
      DATA_DIR: dataDir,
      PORT: 'http',
      GRAPHIQL: 'perhaps',
      LOG_LEVEL: 'loud',
      SECRET_KEY: 'hunter2',
      ADMIN_TOKEN: 'öffne mir bitte die Tür, Freund',
      DATABASE_URL: 'mysql://someone:hunter2@localhost/sluice',
      JOBS_URL: 'redis://:hunter2@localhost',
    }).ended
    expect(code).toBe(78)
    expect(output.split('\n')).toEqual([
      'The settings cannot be used:',
      '  - PORT: must be a whole number from 0 to 65535',
      '  - DATABASE_URL: must be a postgres:// or postgresql:// URL',
      '  - JOBS_URL: must be a postgres://, mongodb:// or mongodb+srv:// URL',
      '  - SECRET_KEY: must have at least 32 characters',
      '  - ADMIN_TOKEN: must be ASCII without spaces',
      '  - LOG_LEVEL: must be one of fatal, error, warn, info, debug, trace, silent',
      '  - GRAPHIQL: must be true or false',
      '',
    ])
    expect(readdirSync(dataDir)).toEqual([])
  })

  it.each([
    [
      'nothing listens',
      'postgres://me:hunter2@127.0.0.1:1/sluice',
      '127.0.0.1:1/sluice) cannot be used: nothing listens',
    ],
    [
      'the host is unknown',
      'postgres://me:hunter2@db.invalid/sluice',
      'db.invalid:5432/sluice) cannot be used: its host',
    ],
  ])('says in one line, without the password, that at DATABASE_URL %s', async (_what, url, words) => {
    const { code, output } = await launch({ DATA_DIR: dataFolder(), DATABASE_URL: url }).ended
    expect(output).toContain(words)
    expect(output).not.toContain('hunter2')
    expect(output.trimEnd().split('\n')).toHaveLength(1)
    expect(code).toBe(69)
  })

  it.each([
    ['no MongoDB listens', 'mongodb://me:hunter2@127.0.0.1:1/jobs?serverSelectionTimeoutMS=100', '(127.0.0.1:1/jobs)'],
    ['its host is unknown', 'mongodb+srv://me:hunter2@mongo.invalid', '(mongo.invalid/sluice)'],
    ['the password is not encoded', 'mongodb://me:hun?hunter2@127.0.0.1', '(a MongoDB URL)'],
    ['there is another PostgreSQL, but none', 'postgres://me:hunter2@127.0.0.1:1/jobs', '(127.0.0.1:1/jobs)'],
  ])('says in one line, without the password, that at JOBS_URL %s', async (_what, url, where) => {
    const { code, output } = await launch({ DATA_DIR: dataFolder(), JOBS_URL: url }).ended
    expect(output).toContain(`The database of JOBS_URL ${where} cannot be used: `)
    expect(output).not.toContain('hunter2')
    expect(output.trimEnd().split('\n')).toHaveLength(1)
    expect(code).toBe(69)
  })

  it('says in one line that there is no database of this name', async () => {
    const url = inject('postgres').replace('/sluice?', '/nowhere?')
    const { code, output } = await launch({ DATA_DIR: dataFolder(), DATABASE_URL: url }).ended
    expect(output).toMatch(/^The database of DATABASE_URL .* cannot be used: database "nowhere" does not exist\.\n$/)
    expect(code).toBe(69)
  })

  it('says in one line that SECRET_KEY differs from that of other processes, in every role, and accepts it with SECRET_KEY_CHANGED', async () => {
    const database = await createDatabase()
    onTestFinished(database.drop)
    const env = (key: string) => ({ DATA_DIR: dataFolder(), DATABASE_URL: database.url, SECRET_KEY: key.repeat(32) })
    const first = launch(env('a'))
    await first.ready()
    for (const role of ['api', 'worker']) {
      const { code, output } = await launch({ ...env('b'), SLUICE_ROLES: role }).ended
      expect(output).toMatch(
        /^SECRET_KEY is not the one that this database was begun with\. Give all processes the same one; /,
      )
      expect(output.trimEnd().split('\n')).toHaveLength(1)
      expect(code).toBe(78)
    }
    expect((await first.end()).code).toBe(0)

    for (const [key, changed] of [
      ['b', 'true'],
      ['b', 'false'],
    ] as const) {
      const next = launch({ ...env(key), SECRET_KEY_CHANGED: changed })
      await next.ready()
      expect((await next.end()).code).toBe(0)
    }
    expect((await launch(env('a')).ended).code).toBe(78)
  })

  it('says in one line that the data folder is not a folder', async () => {
    const file = join(dataFolder(), 'file')
    writeFileSync(file, '')
    const { code, output } = await launch({ DATA_DIR: file }).ended
    expect(output).toBe(`The data folder ${file} cannot be used: it is not a folder. Set DATA_DIR to another one.\n`)
    expect(code).toBe(73)
  })
})

describe('DATABASE_URL', () => {
  it('replaces the embedded PostgreSQL', async () => {
    const database = await createDatabase()
    onTestFinished(database.drop)
    const dataDir = dataFolder()
    const server = launch({ DATA_DIR: dataDir, DATABASE_URL: database.url })
    await server.ready()
    expect(await server.prints('Admin token')).toContain('Database    PostgreSQL of DATABASE_URL')
    expect((await server.end()).code).toBe(0)
    expect(readdirSync(dataDir)).toEqual(['secret.key'])
  })
})
