import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { startRedis } from '@sluice/testkit/redis.ts'
import { type SmallRedisOptions, startSmallRedis } from '@sluice/testkit/redis-small.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { keysOf } from '@sluice/testkit/tasks.ts'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app?.stop())

async function connect(
  { host, port }: { host: string; port: number },
  settings: Record<string, unknown> = {},
  user: Record<string, string> = {},
) {
  const project = await createProject(app)
  const location = { redis: { host, port, db: 1, path: 'in/', ...user } }
  const { storage } = await createStorage(app, { projectId: project, location, skipCheck: true, ...settings })
  return { id: storage.id as string, project, location }
}

const makeOthers: Record<string, (client: Redis, key: string) => Promise<unknown>> = {
  'a list': (client, key) => client.rpush(key, 'x'),
  'a set': (client, key) => client.sadd(key, 'x'),
  'a sorted set': (client, key) => client.zadd(key, 1, 'x'),
  'a hash': (client, key) => client.hset(key, 'field', 'x'),
  'a stream': (client, key) => client.xadd(key, '*', 'field', 'x'),
}

describe.each(['FILES', 'TASKS'])('in Redis, a sync with the method %s', (importMethod) => {
  it('reports lists, sets, sorted sets, hashes and streams as WRONG_TYPE, and makes no task of them', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const client = redis.client(1)
    await client.set('in/a.json', '{"n":1}')
    for (const [what, make] of Object.entries(makeOthers)) await make(client, `in/${what}`)
    const { id, project } = await connect(redis, { importMethod })
    const run = await sync(app, id)
    expect(run).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 6, created: 1, failed: 5, missing: 0 },
    })
    const words = Object.fromEntries(run.issues.map((issue: { key: string }) => [issue.key, issue]))
    for (const what of Object.keys(makeOthers)) {
      expect(words[`in/${what}`]).toMatchObject({ code: 'WRONG_TYPE', retryable: false })
      expect(words[`in/${what}`].message).toContain(what)
    }
    expect(await keysOf(app, project)).toEqual(['in/a.json'])
    expect(await sync(app, id)).toMatchObject({ counters: { existed: 1, created: 0, failed: 5, missing: 0 } })
  })
})

describe('in Redis, a sync with the method FILES', () => {
  const small = async (options: SmallRedisOptions = {}) => {
    const server = await startSmallRedis(options)
    onTestFinished(() => server.stop())
    const { Redis } = await import('ioredis')
    const client = new Redis({ host: server.host, port: server.port, db: 1, protocol: 2 })
    onTestFinished(() => client.disconnect())
    return { server, client }
  }

  it('reports the type of a module as WRONG_TYPE without its name', async () => {
    const { server, client } = await small()
    await client.call('JSON.SET', 'in/doc', '$', '{}')
    await client.set('in/a', 'x')
    const { id, project } = await connect(server)
    const run = await sync(app, id)
    expect(run.issues).toMatchObject([{ key: 'in/doc', code: 'WRONG_TYPE' }])
    expect(run.issues[0].message).not.toContain('ReJSON')
    expect(await keysOf(app, project)).toEqual(['in/a'])
  })

  it('imports an empty string, and needs TYPE only for keys that are not plainly strings', async () => {
    const { server, client } = await small()
    for (let n = 0; n < 20; n++) await client.set(`in/${n}`, 'x')
    await client.set('in/empty', '')
    const { id } = await connect(server)
    expect(await sync(app, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 21 } })
    expect(server.counts.type).toBe(1)
  })

  it('works for a user who may not run TYPE', async () => {
    const { server, client } = await small({ users: { me: { password: 'secret', denied: ['type'] } } })
    await client.set('in/a', 'x')
    await client.rpush('in/list', 'x')
    const { id } = await connect(server, {}, { username: 'me', password: 'secret' })
    expect(await sync(app, id)).toMatchObject({
      counters: { created: 1, failed: 1 },
      issues: [{ key: 'in/list', code: 'WRONG_TYPE' }],
    })
  })

  it('reports a key that the user may not read as DENIED', async () => {
    const { server, client } = await small()
    await client.set('in/a', 'x')
    await client.set('in/secret', 'x')
    server.fail({
      ...{ times: Infinity, error: 'NOPERM this user has no permissions to access one of the keys used as arguments' },
      match: ({ name, args }) => name === 'strlen' && String(args[0]) === 'in/secret',
    })
    const { id, project } = await connect(server)
    expect(await sync(app, id)).toMatchObject({
      counters: { created: 1, failed: 1, missing: 0 },
      issues: [{ key: 'in/secret', code: 'DENIED' }],
    })
    expect(await keysOf(app, project)).toEqual(['in/a'])
  })

  it('keeps the task of a key that becomes a list, and reports the key', async () => {
    const { server, client } = await small()
    await client.set('in/a', 'x')
    const { id, project } = await connect(server)
    await sync(app, id)
    await client.del('in/a')
    await client.rpush('in/a', 'x')
    expect(await sync(app, id)).toMatchObject({
      counters: { failed: 1, missing: 0 },
      issues: [{ key: 'in/a', code: 'WRONG_TYPE' }],
    })
    expect(await keysOf(app, project)).toEqual(['in/a'])
  })

  it('previews and checks such keys by their type', async () => {
    const { server, client } = await small()
    await client.rpush('in/list', 'x')
    const { id, project, location } = await connect(server)
    const check = `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
      ... on CheckStorageSuccess { check { steps { name status code } } } ... on Error { message } } }`
    const preview = `query ($input: PreviewObjectsInput!) { previewObjects(input: $input) {
      takenCount objects { key rule } } }`
    expect(JSON.stringify(await app.request(check, { input: { projectId: project, location } }))).toContain(
      'WRONG_TYPE',
    )
    await client.set('in/a', 'x')
    const { previewObjects } = await app.request(preview, { input: { id } })
    expect(previewObjects.takenCount).toBe(1)
    expect(previewObjects.objects).toContainEqual({ key: 'in/list', rule: 'WRONG_TYPE' })
  })
})
