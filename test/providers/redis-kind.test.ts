import { describe, expect, test } from 'vitest'
import { redis } from '../../src/providers/redis/kind.ts'
import { formatUri, parseUri } from '../../src/providers/uri.ts'

const placeOf = (fields: Record<string, unknown>) => redis.place(redis.location.parse(fields))

describe('Redis: the location', () => {
  test.for([
    { given: 'Cache.Example.COM', host: 'cache.example.com' },
    { given: '10.0.0.7', host: '10.0.0.7' },
    { given: '::1', host: '::1' },
    { given: '[2001:DB8::7]', host: '2001:db8::7' },
  ])('host "$given" is stored as "$host", also when it is validated again', ({ given, host }) => {
    const location = redis.location.parse({ host: given })
    expect(location).toEqual({ host, port: 6379, db: 0, path: '', tls: false })
    expect(redis.location.parse(location)).toEqual(location)
  })

  test.for(['', 'redis://cache', 'cache:6379', 'user@cache', 'cache/1', 'a b', '[cache]'])(
    '"%s" is refused as a host',
    (host) => {
      expect(redis.location.safeParse({ host }).success).toBe(false)
    },
  )

  test('a user name without a password is an error of the password', () => {
    const location = redis.location.parse({ host: 'cache', username: 'me' })
    expect(redis.crossCheck!(location, {}).map(({ path }) => path)).toEqual(['password'])
    expect(redis.crossCheck!(location, { password: 'x' })).toEqual([])
  })

  test('database 0 is refused as a target, others are not', () => {
    expect(redis.refuseTarget!(redis.location.parse({ host: 'cache' }))).toMatchObject({ code: 'REDIS_DATABASE_ZERO' })
    expect(redis.refuseTarget!(redis.location.parse({ host: 'cache', db: 1 }))).toBeUndefined()
  })
})

describe('Redis: URIs', () => {
  test('each database of each server has its own bucket, which its URIs contain', () => {
    const places = [
      { host: 'cache' },
      { host: 'cache', db: 1 },
      { host: 'cache', db: 11 },
      { host: 'cache', port: 63791 },
      { host: 'cache', port: 6379, db: 10 },
      { host: 'cache1' },
      { host: '::1' },
      { host: '::1', port: 637, db: 9 },
      { host: '::1:637', port: 9 },
    ]
    const buckets = places.map((fields) => placeOf(fields).bucket)
    expect(new Set(buckets).size).toBe(places.length)
    expect(buckets.slice(0, 2)).toEqual(['cache:6379:0', 'cache:6379:1'])
    for (const bucket of buckets) {
      for (const key of ['a', '/a', 'a/b:c', '//', ':1/x']) {
        const uri = { scheme: redis.uriScheme, bucket, key }
        expect(parseUri(formatUri(uri))).toEqual(uri)
      }
    }
  })

  test('an explicit default and the case of the host do not change the place', () => {
    expect(placeOf({ host: 'CACHE', port: 6379, db: 0, path: 'a/' })).toEqual(placeOf({ host: 'cache', path: 'a/' }))
  })
})
