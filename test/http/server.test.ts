import { createDatabase, startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { admin } from '@sluice/testkit/postgres.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'

describe('the HTTP server', () => {
  let app: TestApp
  let database: Awaited<ReturnType<typeof createDatabase>>
  beforeAll(async () => {
    database = await createDatabase()
    app = await startTestApp({ LOG_LEVEL: 'silent' }, database)
  })
  afterAll(async () => {
    await app?.stop()
    await database?.drop()
  })

  it('reports that it is alive and ready without a token', async () => {
    const health = await fetch(`${app.url}/health`)
    expect([health.status, await health.json()]).toEqual([200, { status: 'alive' }])
    const ready = await fetch(`${app.url}/ready`)
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }])
    expect(ready.headers.get('cache-control')).toBe('no-store')
  })

  it('keeps an idle connection for longer than proxies do, which would send a request into its end', async () => {
    const { headers } = await fetch(`${app.url}/health`)
    expect(Number(/timeout=(\d+)/.exec(headers.get('keep-alive')!)?.[1])).toBeGreaterThan(120)
  })

  it.each(['/nowhere', '/graphql/x', '/tasks', '/tasks/1', '/tasks/1/resolve/x', '/%', '//'])(
    'has no page %s',
    async (path) => {
      const answer = await fetch(app.url + path)
      expect([answer.status, await answer.json()]).toEqual([404, { code: 'NOT_FOUND', message: expect.any(String) }])
    },
  )

  it('redirects from its front page to GraphQL', async () => {
    const answer = await fetch(app.url, { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/graphql'])
  })

  it('is alive but not ready while the database is down, and ready when it is back', async () => {
    const name = new URL(database.url).pathname.slice(1)
    const server = inject('postgres')
    const ready = async () => (await fetch(`${app.url}/ready`)).status
    await admin(server, `alter database ${name} allow_connections false`)
    await admin(server, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
    expect(await ready()).toBe(503)
    expect((await fetch(`${app.url}/health`)).status).toBe(200)
    await admin(server, `alter database ${name} allow_connections true`)
    await until(async () => (await ready()) === 200)
    expect(await query(database.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await app.request('{ viewer { name } }')).toEqual({ viewer: { name: 'admin' } })
  })
})
