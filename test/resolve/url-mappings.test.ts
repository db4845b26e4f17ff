import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/entities/storage.ts'
import { rewriteUris } from '../../src/resolve/rewrite.ts'
import { explainObject, pickObject } from '../../src/resolve/url-mappings.ts'

const s3 = (id: number, bucket: string, prefix = '') =>
  ({ id, provider: 'S3', location: { bucket, prefix } }) as unknown as Storage
const local = (id: number, path: string) => ({ id, provider: 'LOCAL_FILES', location: { path } }) as unknown as Storage

const storages = [s3(1, 'photos'), s3(2, 'photos', 'in/'), local(3, 'files')]
const mappings = [
  { prefix: '/data/upload/', storage: 1, keyPrefix: 'uploads/' },
  { prefix: '/data/upload/7/', storage: 2 },
  { prefix: '/data/local-files/?d=', storage: 3 },
  { prefix: '/data/local-files/?d=raw/', storage: 1, keyPrefix: '' },
  { prefix: 'http://old.example:8080/data/upload/', storage: 1, keyPrefix: 'old/' },
  { prefix: '/narrow/', storage: 2, keyPrefix: '' },
  { prefix: '/gone/', storage: 99, keyPrefix: '' },
]
const scope = { storages, mappings }
const keyOf = (url: string) => {
  const found = pickObject(url, scope)
  return found && `${found.storage.id} ${found.key}`
}

describe('a mapped URL', () => {
  it.each([
    ['a path', '/data/upload/3/a.jpg', '1 uploads/3/a.jpg'],
    ['a path with encoded characters', '/data/upload/3/%C3%A4%20b%2Fc.jpg', '1 uploads/3/ä b/c.jpg'],
    ['a path with a plus sign', '/data/upload/a+b.jpg', '1 uploads/a+b.jpg'],
    ['a path with a query and a fragment', '/data/upload/a.jpg?x=1#top', '1 uploads/a.jpg'],
    ['a path that is encoded twice', '/data/upload/a%2520b.jpg', '1 uploads/a%20b.jpg'],
    ['a path with a percent sign that encodes nothing', '/data/upload/100%.jpg', '1 uploads/100%.jpg'],
    ['a parameter', '/data/local-files/?d=cats/a.jpg', '3 files/cats/a.jpg'],
    ['an encoded parameter', '/data/local-files/?d=cats%2Fa%20b.jpg', '3 files/cats/a b.jpg'],
    ['a parameter with a plus sign for a space', '/data/local-files/?d=a+b%2Bc.jpg', '3 files/a b+c.jpg'],
    ['a parameter that begins with a slash', '/data/local-files/?d=/cats/a.jpg', '3 files/cats/a.jpg'],
    ['a parameter with another one behind it', '/data/local-files/?d=a.jpg&x=b', '3 files/a.jpg'],
    ['another server', 'http://old.example:8080/data/upload/a.jpg', '1 old/a.jpg'],
    ['the longest of two prefixes', '/data/upload/7/a.jpg', '2 in/a.jpg'],
    ['the longest of two prefixes with a parameter', '/data/local-files/?d=raw/a.jpg', '1 a.jpg'],
    ['a key inside the prefix of the storage', '/narrow/in/a.jpg', '2 in/a.jpg'],
  ])('of %s resolves to the object that it names', (_what, url, expected) => {
    expect(keyOf(url)).toBe(expected)
  })

  it.each([
    ['leaves its folder', '/data/upload/../secret'],
    ['leaves its folder by an encoded segment', '/data/upload/a/%2e%2e/%2E%2e/secret'],
    ['leaves its folder by an encoded slash', '/data/local-files/?d=..%2F..%2Fetc%2Fpasswd'],
    ['leaves its folder by a backslash', '/data/local-files/?d=..%5Csecret'],
    ['has a segment of one dot', '/data/local-files/?d=./a.jpg'],
    ['is not UTF-8', '/data/upload/caf%E9.jpg'],
    ['has a NUL', '/data/upload/a%00.jpg'],
    ['names nothing', '/data/upload/'],
    ['names nothing but a parameter', '/data/local-files/?d=&x=a.jpg'],
    ['lies outside the prefix of the storage', '/narrow/out/a.jpg'],
    ['is the prefix of the storage and no more', '/narrow/in/'],
    ['leads to a storage that is not of the project', '/gone/a.jpg'],
    ['has another prefix', '/data/other/a.jpg'],
  ])('that %s resolves to no object, and is not rewritten', (_what, url) => {
    expect(keyOf(url)).toBeNull()
    const data = { image: url, html: `<img src="${url}">` }
    expect(rewriteUris(data, scope, () => 'LINK')).toEqual(data)
  })

  it('has an explanation: which storage serves it, and why the others do not', () => {
    const told = (url: string) => explainObject(url, scope).map(({ storage, verdict }) => `${storage.id} ${verdict}`)
    expect(told('/data/upload/7/a.jpg')).toEqual(['2 CHOSEN', '1 NOT_MAPPED', '3 NOT_MAPPED'])
    expect(told('/narrow/out/a.jpg')).toEqual(['2 OUTSIDE_PREFIX', '1 NOT_MAPPED', '3 NOT_MAPPED'])
    expect(told('/data/upload/../a.jpg')).toEqual(['1 NO_KEY', '2 NOT_MAPPED', '3 NOT_MAPPED'])
    expect(told('/gone/a.jpg')).toEqual(['1 NOT_MAPPED', '2 NOT_MAPPED', '3 NOT_MAPPED'])
    expect(told('s3://photos/a.jpg')).toEqual(['1 CHOSEN', '2 OUTSIDE_PREFIX', '3 OTHER_SCHEME'])
  })
})

describe('task data with mapped URLs', () => {
  const rewritten = (data: string) => rewriteUris(data, scope, (uri) => `[${uri}]`)

  it.each([
    ['alone', '/data/upload/3/a.jpg', '[/data/upload/3/a.jpg]'],
    ['alone with a space', '/data/local-files/?d=my cats/a.jpg', '[/data/local-files/?d=my cats/a.jpg]'],
    ['in an attribute', '<img src="/data/upload/a b.jpg">', '<img src="[/data/upload/a b.jpg]">'],
    ['in an attribute without quotes', '<img src=/data/upload/a.jpg>', '<img src=[/data/upload/a.jpg]>'],
    [
      'in an attribute with a character reference',
      '<a href="/data/local-files/?d=a&amp;b.jpg">',
      '<a href="[/data/local-files/?d=a&b.jpg]">',
    ],
    [
      'in a srcset',
      '<img srcset="/data/upload/1.jpg 1x, /data/upload/2.jpg 2x">',
      '<img srcset="[/data/upload/1.jpg] 1x, [/data/upload/2.jpg] 2x">',
    ],
    ['in Markdown', '![a](/data/upload/a.jpg "title")', '![a]([/data/upload/a.jpg] "title")'],
    ['in CSS', 'background: url(/data/upload/a.jpg)', 'background: url([/data/upload/a.jpg])'],
    ['in prose', 'See /data/upload/a.jpg, please.', 'See [/data/upload/a.jpg], please.'],
    [
      'beside a storage URI',
      'See s3://photos/x.jpg and /data/upload/a.jpg now',
      'See [s3://photos/x.jpg] and [/data/upload/a.jpg] now',
    ],
    [
      'of another server',
      '<img src="http://old.example:8080/data/upload/a.jpg">',
      '<img src="[http://old.example:8080/data/upload/a.jpg]">',
    ],
  ])('(%s) has links', (_where, text, expected) => {
    expect(rewritten(text)).toBe(expected)
  })

  it.each([
    ['on a server that is not mapped', 'https://other.example/data/upload/a.jpg'],
    ['on a server that is not mapped, in an attribute', '<img src="https://other.example/data/upload/a.jpg">'],
    ['as a part of another path', '<img src="/static/data/upload/a.jpg">'],
    ['as a parameter of another URL', '<a href="https://other.example/?next=/data/upload/a.jpg">'],
    ['as a parameter of another URL in prose', 'See https://other.example/?next=/data/upload/a.jpg now'],
  ])('(%s) is unchanged', (_where, text) => {
    expect(rewritten(text)).toBe(text)
  })

  it('is unchanged without mappings', () => {
    expect(rewriteUris('/data/upload/3/a.jpg', { storages }, () => 'LINK')).toBe('/data/upload/3/a.jpg')
  })
})
