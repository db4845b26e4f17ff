import type { RedisCommand } from '@sluice/testkit/redis-faults.ts'
import { describe, expect, test } from 'vitest'
import { firstPage, open, served } from './redis-place.ts'

describe('Redis: SCAN', () => {
  const of = (value: string) => Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}`, value]))
  const many = of('')

  test('keys that SCAN returns twice are listed once in a page', async () => {
    const { provider } = await served({ objects: many, doubles: true })
    const found = new Set<string>()
    let cursor: string | null = null
    do {
      const page = await provider.list({ cursor, limit: 20, recursive: true })
      const keys = page.objects.map((object) => object.key)
      expect(new Set(keys).size).toBe(keys.length)
      for (const key of keys) found.add(key)
      cursor = page.cursor
    } while (cursor !== null)
    expect(found).toEqual(new Set(Object.keys(many)))
  })

  test('a listing starts again after a restart of the server, because the order of keys has changed', async () => {
    const { server, provider } = await served({ objects: many })
    const first = await provider.list({ cursor: null, limit: 200, recursive: true })
    server.restart()
    const keys = first.objects.map((object) => object.key)
    for (let { cursor } = first; cursor !== null; ) {
      const page = await provider.list({ cursor, limit: 200, recursive: true })
      keys.push(...page.objects.map((object) => object.key))
      cursor = page.cursor
    }
    expect(new Set(keys)).toEqual(new Set(Object.keys(many)))
    expect(keys.length).toBeGreaterThan(300)
  })

  test('a page that matches few keys is filled by further steps', async () => {
    const { server, host, port, provider } = await served({ objects: many })
    await provider.write('rare/1', Buffer.from(''))
    await provider.write('rare/2', Buffer.from(''))
    server.counts.scan = 0
    const page = await (await open({ host, port, path: 'rare/' })).list(firstPage)
    expect([page.objects.map((object) => object.key).sort(), page.cursor]).toEqual([['rare/1', 'rare/2'], null])
    expect(server.counts.scan).toBeGreaterThan(1)
  })

  test('a page takes one round trip for the keys and one for their sizes', async () => {
    const { server, host, port } = await served({ objects: of('x') })
    const provider = await open({ host, port })
    await provider.check()
    const seen: string[] = []
    server.fail({ match: ({ name }) => seen.push(name) < 0, error: '' })
    await provider.list({ cursor: null, limit: 1000, recursive: true })
    expect([seen[0], new Set(seen.slice(1)), seen.length]).toEqual(['scan', new Set(['strlen']), 301])
  })

  test('a page with empty values takes one more round trip, for their types', async () => {
    const { server, host, port } = await served({ objects: many })
    const provider = await open({ host, port })
    await provider.check()
    const seen: string[] = []
    server.fail({ match: ({ name }) => seen.push(name) < 0, error: '' })
    await provider.list({ cursor: null, limit: 1000, recursive: true })
    expect([new Set(seen.slice(1, 301)), new Set(seen.slice(301)), seen.length]).toEqual([
      new Set(['strlen']),
      new Set(['type']),
      601,
    ])
  })

  test('a key that the user may not read is listed', async () => {
    const { server, provider } = await served({ objects: { a: 'x', b: 'x' } })
    const isA = ({ name, args }: RedisCommand) => name === 'strlen' && String(args[0]) === 'a'
    server.fail({ match: isA, error: 'NOPERM No permissions to access a key' })
    const { objects } = await provider.list(firstPage)
    expect(Object.fromEntries(objects.map(({ key, size }) => [key, size]))).toEqual({ a: 0, b: 1 })
  })
})
