import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createApiToken } from '../../src/access/tokens.ts'

describe('the access cache', () => {
  let world: World
  /** Another process, as far as the database can tell. */
  let other: TestApp
  beforeAll(async () => {
    world = await startWorld()
    other = await startTestApp({}, { url: world.app.databaseUrl })
  })
  afterAll(async () => {
    await other?.stop()
    await world?.stop()
  })
  afterEach(() => vi.restoreAllMocks())

  /** A link to an object that is streamed, asked for with a token of its own. */
  const opened = async () => {
    const storage = await world.storage({ objects: { 'a.txt': 'hello' }, presign: false })
    const { row, token } = await createApiToken(world.app.orm.em, 'reader')
    const project = numberOf(storage.project)
    const fileuri = Buffer.from(`s3://${storage.bucket}/a.txt`).toString('base64url')
    const status = async () => {
      const answer = await fetch(`${world.app.url}/projects/${project}/resolve/?fileuri=${fileuri}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      await answer.text()
      return answer.status
    }
    expect(await status()).toBe(200)
    return { ...storage, status, tokenId: Buffer.from(`ApiToken:${row.id}`).toString('base64') }
  }
  const revoke = (app: TestApp, id: string) =>
    app.request('mutation ($id: ID!) { revokeApiToken(id: $id) { __typename } }', { id })
  const remove = (app: TestApp, id: string) =>
    app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id })

  it('reads access data once for many requests', async () => {
    const { status } = await opened()
    const asked = vi.spyOn(pg.Client.prototype, 'query')
    await until(async () => {
      asked.mockClear()
      for (let n = 0; n < 10; n++) expect(await status()).toBe(200)
      const texts = asked.mock.calls.map(([statement]) => JSON.stringify(statement))
      return !texts.some((text) => /api_token|from storage s/.test(text ?? ''))
    })
  })

  it('is invalidated before the response to the change', async () => {
    for (let n = 0; n < 10; n++) {
      const [one, two] = [await opened(), await opened()]
      await revoke(world.app, one.tokenId)
      expect(await one.status()).toBe(401)
      await remove(world.app, two.id)
      expect(await two.status()).toBe(404)
    }
  })

  it('is invalidated by changes of other processes and by SQL statements', async () => {
    const [one, two, three] = [await opened(), await opened(), await opened()]
    await revoke(other, one.tokenId)
    await until(async () => (await one.status()) === 401)
    await remove(other, two.id)
    await until(async () => (await two.status()) === 404)
    await query(world.app.databaseUrl, 'delete from api_token where id = $1', [numberOf(three.tokenId)])
    await until(async () => (await three.status()) === 401)
  })

  it('is bypassed while the LISTEN connection is down', async () => {
    const reader = await opened()
    await query(
      world.app.databaseUrl,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'sluice listener'`,
    )
    await revoke(other, reader.tokenId)
    await until(async () => (await reader.status()) === 401)
    const next = await opened()
    await revoke(other, next.tokenId)
    await until(async () => (await next.status()) === 401)
  })
})
