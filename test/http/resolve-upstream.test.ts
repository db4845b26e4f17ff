import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ask, type Download, openDownload, outcome } from '@sluice/testkit/download.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { until } from '@sluice/testkit/sql.ts'
import { networkKinds } from '@sluice/testkit/storage-kinds.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderName } from '../../src/providers/registry.ts'

const large = randomBytes(6_000_000)
const megabyte = 1_000_000

let world: KindWorld
const start = (kind: ProviderName, env: Record<string, string> = {}) => {
  beforeAll(async () => {
    world = await startKindWorld(kind, { RESOLVER_PROXY_TIMEOUT: '0', ...env })
  })
  afterAll(() => world?.stop())
}
const headers = () => ({ authorization: `Bearer ${world.app.token}` })
const open = (key: string, more: Record<string, string> = {}): Promise<Download> =>
  openDownload(world.url(key), { headers: { ...headers(), ...more } })

describe.each(networkKinds)('a stream from %s', (kind) => {
  start(kind)

  it('is closed at its source within a second after the client disconnects, also before the first byte', async () => {
    await world.put('in/left', large)
    const middle = world.tap!.holdAfter(megabyte)
    const { asked, answer } = await open('in/left')
    answer.resume()
    await middle.held
    let left = performance.now()
    asked.destroy()
    expect((await middle.closed) - left).toBeLessThan(1_000)

    const silent = world.tap!.holdAfter(0)
    const early = ask(world.url('in/left'), { headers: headers() })
    await silent.held
    left = performance.now()
    early.destroy()
    expect((await silent.closed) - left).toBeLessThan(1_000)
    expect(await (await world.get('in/left', { range: 'bytes=0-2' })).arrayBuffer()).toEqual(
      new Uint8Array(large.subarray(0, 3)).buffer,
    )
  })

  it.each([0, 1, 100_000, 5_999_999])(
    'is continued after its source breaks off after about %d bytes',
    async (bytes) => {
      await world.put('in/cut', large)
      const hold = world.tap!.holdAfter(bytes)
      hold.cut()
      const { answer } = await open('in/cut')
      const { body, complete, failure } = await outcome(answer)
      expect([body.equals(large), complete, failure]).toEqual([true, true, undefined])
      await hold.held
    },
  )

  it('is continued inside its range after its source breaks off', async () => {
    await world.put('in/range', large)
    world.tap!.holdAfter(200_000).cut()
    const { answer } = await open('in/range', { range: 'bytes=1000-999999' })
    expect(answer.headers['content-range']).toBe('bytes 1000-999999/6000000')
    const { body, complete } = await outcome(answer)
    expect([body.equals(large.subarray(1_000, 1_000_000)), complete]).toEqual([true, true])
  })

  it('is reset, not ended, if its source breaks off while the object changes', async () => {
    await world.put('in/changed', large)
    const hold = world.tap!.holdAfter(megabyte)
    const { answer } = await open('in/changed')
    const ended = outcome(answer)
    await hold.held
    await world.put('in/changed', randomBytes(large.length - 1))
    hold.cut()
    const { body, complete, failure } = await ended
    expect([body.equals(large.subarray(0, body.length)), complete, failure]).toEqual([true, false, 'ECONNRESET'])
    expect(body.length).toBeLessThan(large.length)
  })

  it('is reset if its source breaks off while the object is removed', async () => {
    await world.put('in/removed', large)
    const hold = world.tap!.holdAfter(megabyte)
    const { answer } = await open('in/removed')
    const ended = outcome(answer)
    await hold.held
    await world.remove('in/removed')
    hold.cut()
    const { complete, failure } = await ended
    expect([complete, failure]).toEqual([false, 'ECONNRESET'])
  })

  it('is read no faster than the client reads, and is complete in the end', { timeout: 60_000 }, async () => {
    const huge = Buffer.alloc(64 * megabyte, 'abcdefghijklm')
    await world.put('in/huge', huge)
    const before = world.tap!.bytes
    const { answer } = await open('in/huge')
    // As soon as nothing has come for some turns, everything on the way is full.
    let last = -1
    let still = 0
    await until(() => {
      still = world.tap!.bytes === last ? still + 1 : 0
      last = world.tap!.bytes
      return still === 20
    })
    expect(last - before).toBeLessThan(huge.length / 2)
    const { body, complete } = await outcome(answer)
    expect([body.equals(huge), complete]).toEqual([true, true])
  })

  it('has the requested bytes, also with many streams whose sources break off', {
    timeout: 60_000,
  }, async () => {
    await world.put('in/a', large)
    const lengths = [1, 1_000, 65_536, 65_537, 300_000, 2_000_000]
    const asked = lengths.flatMap((length, n) => [0, 12_345, 3_000_000].map((from) => ({ from: from + n, length })))
    const hold = world.tap!.holdAfter(70_000)
    hold.cut()
    await Promise.all(
      asked.map(async ({ from, length }) => {
        const { answer } = await open('in/a', { range: `bytes=${from}-${from + length - 1}` })
        const { body, complete } = await outcome(answer)
        expect([answer.statusCode, body.equals(large.subarray(from, from + length)), complete]).toEqual([
          206,
          true,
          true,
        ])
        expect(answer.headers['content-length']).toBe(String(body.length))
      }),
    )
    await hold.held
  })

  it('uses few connections, and reuses them', async () => {
    await world.put('in/many', large)
    const range = async (n: number) => {
      const answer = await world.get('in/many', { range: `bytes=${n * 1_000}-${n * 1_000 + 65_535}` })
      expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([206, 65_536])
    }
    const fifty = Array.from({ length: 50 }, (_, n) => n)
    const opened = async (work: () => Promise<unknown>) => {
      const before = world.tap!.connections
      await work()
      return world.tap!.connections - before
    }
    const sequential = async () => {
      for (const n of fifty) await range(n)
    }
    const parallel = () => Promise.all(fifty.map(range))
    expect(await opened(sequential)).toBeLessThanOrEqual(2)
    const crowd = await opened(async () => {
      for (let round = 0; round < 3; round++) await parallel()
      await sequential()
    })
    // For 200 reads, of which 50 run at the same time. A busy machine opens more than 50.
    expect(crowd).toBeLessThanOrEqual(100)
  })

  it('is not affected by idle connections that the server has closed', async () => {
    await world.put('in/kept', large)
    const part = async (n: number) => {
      const answer = await world.get('in/kept', { range: `bytes=${n}-${n + 9}` })
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(large.subarray(n, n + 10))
    }
    for (let round = 0; round < 5; round++) {
      await Promise.all([0, 1, 2, 3].map(part))
      world.tap!.drop()
      await part(4)
    }
  })

  it('leaves no open connection when clients abort ranges, and the next one is served', async () => {
    await world.put('in/given-up', large)
    await world.get('in/given-up', { range: 'bytes=0-0' })
    const { open: before } = world.tap!
    for (let n = 0; n < 30; n++) (await open('in/given-up', { range: `bytes=${n}-` })).asked.destroy()
    await until(() => world.tap!.open <= before + 1)
    const next = await world.get('in/given-up', { range: 'bytes=7-9' })
    expect(Buffer.from(await next.arrayBuffer())).toEqual(large.subarray(7, 10))
  })
})

describe.each(networkKinds)('a stream from %s with a time limit of a second', (kind) => {
  start(kind, { RESOLVER_PROXY_TIMEOUT: '1' })

  it('is reset when its source stops in the middle, and the source is closed', async () => {
    await world.put('in/slow', large)
    const hold = world.tap!.holdAfter(megabyte)
    const { answer } = await open('in/slow')
    const { body, complete, failure } = await outcome(answer)
    expect([body.equals(large.subarray(0, body.length)), complete, failure]).toEqual([true, false, 'ECONNRESET'])
    await hold.closed
  })

  it('is 504 when its source sends nothing, and the source is closed', async () => {
    await world.put('in/silent', large)
    const hold = world.tap!.holdAfter(0)
    const answer = await world.get('in/silent')
    expect([answer.status, await answer.json()]).toEqual([504, { code: 'TIMEOUT', message: expect.any(String) }])
    await hold.closed
  })
})

describe('a stream from LOCAL_FILES', () => {
  start('LOCAL_FILES')
  const huge = Buffer.alloc(64 * megabyte, 'abcdefghijklm')

  const isOpen = (key: string) =>
    readdirSync('/proc/self/fd').some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === join(world.app.localRoot, key)
      } catch {
        return false
      }
    })

  it.runIf(process.platform === 'linux')('closes its file within a second after the client disconnects', async () => {
    await world.put('in/huge', huge)
    const { asked } = await open('in/huge')
    expect(isOpen('in/huge')).toBe(true)
    const left = performance.now()
    asked.destroy()
    await until(() => !isOpen('in/huge'))
    expect(performance.now() - left).toBeLessThan(1_000)
  })

  it.each([huge.length - 1, huge.length])('is reset when its file is replaced in place by %d bytes', async (size) => {
    await world.put('in/replaced', huge)
    const { answer } = await open('in/replaced')
    await world.put('in/replaced', Buffer.alloc(size, 'x'))
    const { complete, failure } = await outcome(answer)
    expect([complete, failure]).toEqual([false, 'ECONNRESET'])
  })

  it('is complete although its file is removed during the read', async () => {
    await world.put('in/removed', huge)
    const { answer } = await open('in/removed')
    await world.remove('in/removed')
    const { body, complete } = await outcome(answer)
    expect([body.equals(huge), complete]).toEqual([true, true])
  })
})
