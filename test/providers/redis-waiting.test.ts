import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { called, firstPage, open, served } from './redis-place.ts'

const data = called('scan', 'getrange', 'set', 'del')

afterEach(() => {
  vi.restoreAllMocks()
})

describe('Redis: giving up while waiting', () => {
  const calls: { what: string; run: (provider: Provider, signal: AbortSignal) => Promise<unknown> }[] = [
    { what: 'check', run: (provider, signal) => provider.check(signal) },
    { what: 'list', run: (provider, signal) => provider.list({ ...firstPage, signal }) },
    { what: 'read', run: (provider, signal) => provider.read('a', { signal }) },
    { what: 'write', run: (provider, signal) => provider.write('a', Buffer.from('x'), { signal }) },
    { what: 'remove', run: (provider, signal) => provider.remove('a', signal) },
  ]

  test.for([
    ...calls.map((call) => ({ ...call, held: data, when: 'waits for an answer' })),
    ...calls.map((call) => ({ ...call, held: called('info'), when: 'waits for the connection' })),
  ])('an abort while $what $when ends it with the reason and closes the connection', async ({ run, held }) => {
    const { server, host, port } = await served()
    const provider = await open({ host, port })
    const fault = server.fail({ match: held, hold: true })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    await Promise.all([
      expect(run(provider, controller.signal)).rejects.toBe(reason),
      fault.met.then(() => controller.abort(reason)),
      fault.closed,
    ])
    await provider.check()
  })

  test('an abort does not affect other calls on the same connection', async () => {
    const { server, provider } = await served({ objects: { a: 'first', b: 'second' } })
    const held = server.fail({ match: called('getrange'), hold: true })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const aborted = provider.read('a', { signal: controller.signal })
    const other = provider.read('b')
    await held.met
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    held.release()
    expect(await text((await other).body)).toBe('second')
    expect(server.connections).toBe(1)
  })

  test('an abort between two tries ends the waiting', async () => {
    // The pause is a random part of a backoff.
    vi.spyOn(Math, 'random').mockReturnValue(1e6)
    const { server, provider } = await served()
    const fault = server.fail({ match: called('scan'), error: 'LOADING Redis is loading' })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const waiting = provider.check(controller.signal)
    await fault.met
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })
})

describe('Redis: closing', () => {
  test.for([
    { when: 'while an answer is awaited', held: called('getrange') },
    { when: 'while the connection is opened', held: called('info') },
  ])('close ($when) ends the call and the socket', async ({ held }) => {
    const { server, host, port } = await served()
    const provider = await open({ host, port })
    const fault = server.fail({ match: held, hold: true })
    const reading = provider.read('a')
    await fault.met
    provider.close()
    await expect(reading).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await fault.closed
    expect([server.connections, server.open]).toEqual([1, 0])
  })

  test('close ends an idle connection, and does nothing if none was opened', async () => {
    const { server, provider, host, port } = await served()
    await provider.check()
    const fault = server.fail({ match: called('getrange'), hold: true })
    const reading = provider.read('a').catch(() => 'ended')
    await fault.met
    provider.close()
    expect(await reading).toBe('ended')
    await fault.closed
    const unused = await open({ host, port })
    unused.close()
    expect(server.connections).toBe(1)
  })
})
