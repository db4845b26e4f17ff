import { createServer } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import type { RedisFault } from '@sluice/testkit/redis-faults.ts'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { called, firstPage, open, served } from './redis-place.ts'

const data = called('scan', 'getrange', 'set', 'del')

// Pauses before another try are a random part of a backoff.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.01)
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('Redis: what a failing connection is called', () => {
  test('a port where nothing listens is CONNECTION_REFUSED', async () => {
    const { server, host, port } = await served()
    const provider = await open({ host, port })
    await server.stop()
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED', retryable: true })
  })

  test('a host name without an address is UNRESOLVABLE_HOST', async () => {
    const provider = await open({ host: 'no-such-host.invalid' })
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNRESOLVABLE_HOST' })
  })

  test('a website is CONSOLE_URL', async () => {
    const website = createServer((_request, response) => response.end('<html></html>'))
    await new Promise<void>((done) => website.listen(0, '127.0.0.1', done))
    onTestFinished(() => void website.close())
    const provider = await open({ host: '127.0.0.1', port: (website.address() as AddressInfo).port })
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONSOLE_URL' })
  })

  test.for([
    { what: 'a TLS alert', raw: '\x15\x03\x01\x00\x02\x02\x46', code: 'TLS_FAILED' },
    { what: 'the banner of another service', raw: '220 mail.example.com ready\r\n', code: 'UNEXPECTED_ANSWER' },
  ])('$what is $code', async ({ raw, code }) => {
    const { server, provider } = await served()
    server.fail({ raw })
    await expect(provider.check()).rejects.toMatchObject({ code })
  })

  test('a server that does not respond is TIMEOUT', async () => {
    const { server, provider } = await served()
    const { setTimeout } = Socket.prototype
    vi.spyOn(Socket.prototype, 'setTimeout').mockImplementation(function (this: Socket, ms, act) {
      return setTimeout.call(this, ms / 1000, act)
    })
    const held = server.fail({ match: called('scan'), hold: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true })
    await held.closed
  })

  test.for(['cluster', 'sentinel'] as const)('a server in mode %s is REDIS_CLUSTER', async (mode) => {
    const { provider } = await served({ mode })
    const fault = { code: 'REDIS_CLUSTER', retryable: false }
    await expect(provider.check()).rejects.toMatchObject(fault)
    await expect(provider.list(firstPage)).rejects.toMatchObject(fault)
  })

  test.for<{ error: string; code: string }>([
    { error: 'NOPERM No permissions to access a key', code: 'DENIED' },
    { error: "READONLY You can't write against a read only replica.", code: 'DENIED' },
    { error: 'MOVED 3999 127.0.0.1:6381', code: 'REDIS_CLUSTER' },
    { error: "CROSSSLOT Keys in request don't hash to the same slot", code: 'REDIS_CLUSTER' },
    { error: 'ERR something else', code: 'UNEXPECTED_ANSWER' },
  ])('the answer "$error" is $code, at once', async ({ error, code }) => {
    const { server, provider } = await served()
    const fault = server.fail({ match: data, error, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code })
    await expect(provider.read('a')).rejects.toMatchObject({ code })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code })
    await expect(provider.remove('a')).rejects.toMatchObject({ code })
    expect(fault.hits).toBe(4)
  })

  test.for([
    { error: 'ERR invalid password', says: 'does not accept the password' },
    { error: "ERR wrong number of arguments for 'auth' command", says: 'knows no user names' },
    { error: 'ERR Client sent AUTH, but no password is set', says: 'has no password' },
  ])('"$error" of an older server is BAD_CREDENTIALS and $says', async ({ error, says }) => {
    const { server, host, port } = await served()
    server.fail({ match: called('auth'), error })
    const provider = await open({ host, port, username: 'me' }, { password: 'secret' })
    const fault = { code: 'BAD_CREDENTIALS', message: expect.stringContaining(says) }
    await expect(provider.check()).rejects.toMatchObject(fault)
  })
})

describe('Redis: secrets', () => {
  test('no error contains a password or value, at any depth', async () => {
    const { server, host, port, provider } = await served()
    server.fail({ match: called('auth'), error: "ERR unknown command 'AUTH', with args beginning with: 'hunter2'" })
    const refused = await open({ host, port }, { password: 'hunter2' })
    const denial = await refused.check().catch((error: unknown) => error)
    server.fail({ match: called('set'), error: 'NOPERM No permissions to access a key' })
    const failure = await provider.write('a', Buffer.from('private words')).catch((error: unknown) => error)
    const seen = inspect([denial, failure], { depth: Infinity, showHidden: true })
    expect(seen).toContain('unknown command')
    expect(seen).toContain('NOPERM')
    expect(seen).not.toContain('hunter2')
    expect(seen).not.toContain(inspect(Buffer.from('private words')).slice(8, 40))
  })
})

describe('Redis: transient faults', () => {
  test.for<{ what: string; fault: RedisFault }>([
    { what: 'LOADING', fault: { error: 'LOADING Redis is loading the dataset in memory' } },
    { what: 'BUSY', fault: { error: 'BUSY Redis is busy running a script.' } },
    { what: 'lost connection', fault: { drop: true } },
  ])('one $what is hidden by a retry', async ({ fault }) => {
    const { server, provider } = await served({ objects: { a: 'hello', large: 'x'.repeat(300_000) } })
    const faults = ['scan', 'strlen', 'getrange', 'set', 'del', 'exists', 'exec'].map((name) =>
      server.fail({ ...fault, match: called(name) }),
    )
    expect(await text((await provider.read('a')).body)).toBe('hello')
    expect((await buffer((await provider.read('large')).body)).length).toBe(300_000)
    await provider.write('b', Buffer.from('x'))
    await provider.remove('b')
    expect((await provider.list(firstPage)).objects).toHaveLength(2)
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1, 1, 1, 1, 1, 1])
  })

  test('one while the connection is opened is hidden by a retry', async () => {
    const { server, host, port } = await served()
    const faults = [server.fail({ match: called('info'), drop: true })]
    faults.push(server.fail({ match: called('select'), error: 'LOADING Redis is loading the dataset in memory' }))
    await (await open({ host, port, db: 1 })).check()
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1])
  })

  test.for<{ what: string; fault: RedisFault; code: string }>([
    { what: 'LOADING', fault: { error: 'LOADING Redis is loading' }, code: 'UNREACHABLE' },
    { what: 'CLUSTERDOWN', fault: { error: 'CLUSTERDOWN The cluster is down' }, code: 'UNREACHABLE' },
    { what: 'MISCONF', fault: { error: 'MISCONF Errors writing to disk' }, code: 'UNREACHABLE' },
    { what: 'a lost connection', fault: { drop: true }, code: 'UNREACHABLE' },
    { what: 'BUSY', fault: { error: 'BUSY Redis is busy' }, code: 'THROTTLED' },
    { what: 'OOM', fault: { error: 'OOM command not allowed' }, code: 'THROTTLED' },
    { what: 'no room', fault: { error: 'ERR max number of clients reached' }, code: 'THROTTLED' },
  ])('permanent $what is $code after some retries', async ({ fault, code }) => {
    const { server, provider } = await served()
    const endless = server.fail({ ...fault, match: called('set'), times: Infinity })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code, retryable: true })
    expect(endless.hits).toBe(4)
  })

  test('a hundred calls to a server that disconnects share a few attempts to connect', async () => {
    const { server, host, port } = await served()
    server.fail({ match: called('info'), drop: true, times: Infinity })
    const provider = await open({ host, port })
    const calls = Array.from({ length: 100 }, (_, n) => provider.read(`${n}`))
    for (const { status, reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[]) {
      expect([status, reason.code]).toEqual(['rejected', 'UNREACHABLE'])
    }
    expect(server.connections).toBe(4)
  })

  test('a hundred concurrent calls share one connection, also after it was lost', async () => {
    const { server, provider } = await served({ objects: { a: 'hello' } })
    const read = async () => text((await provider.read('a')).body)
    for (const connections of [1, 2]) {
      const bodies = await Promise.all(Array.from({ length: 100 }, read))
      expect(new Set(bodies)).toEqual(new Set(['hello']))
      expect(server.connections).toBe(connections)
      server.restart()
    }
  })

  test('a new connection selects the same database after the old one was lost', async () => {
    const { server, host, port, provider } = await served({ objects: { a: 'in database 0' } })
    const other = await open({ host, port, db: 3 })
    await other.write('a', Buffer.from('in database 3'))
    server.restart()
    expect(await text((await other.read('a')).body)).toBe('in database 3')
    expect(await text((await provider.read('a')).body)).toBe('in database 0')
  })
})
