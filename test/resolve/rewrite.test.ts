import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/entities/storage.ts'
import { parseJson } from '../../src/json.ts'
import { pickStorage } from '../../src/resolve/pick.ts'
import { parseRange } from '../../src/resolve/range.ts'
import { resolveUrl, rewriteUris } from '../../src/resolve/rewrite.ts'

const s3 = (id: number, bucket: string, prefix = '') =>
  ({ id, provider: 'S3', location: { bucket, prefix } }) as unknown as Storage
const local = (id: number, path: string) => ({ id, provider: 'LOCAL_FILES', location: { path } }) as unknown as Storage

describe('the storage that serves a URI', () => {
  const storages = [s3(1, 'b', 'in/'), s3(2, 'b', 'in/deep/'), s3(3, 'c', 'x'), s3(4, 'c', 'x'), local(5, 'photos')]
  it.each([
    ['s3://b/in/a.jpg', undefined, 1],
    ['s3://b/in/deep/a.jpg', undefined, 2],
    ['s3://b/in/deep/a.jpg', 1, 2],
    ['s3://c/xyz', undefined, 3],
    ['s3://c/xyz', 4, 4],
    ['local-files:///photos/a', undefined, 5],
    ['s3://b/out/a.jpg', undefined, undefined],
    ['s3://b/in', undefined, undefined],
    ['s3://d/in/a.jpg', undefined, undefined],
    ['gs://b/in/a.jpg', undefined, undefined],
    ['local-files:///photosx/a', undefined, undefined],
    ['S3://b/in/a.jpg', undefined, undefined],
    ['nothing', undefined, undefined],
  ])('of %s, linked to %s, is %s', (uri, linked, expected) => {
    expect(pickStorage(uri, storages, linked)?.storage.id).toBe(expected)
  })

  it('is asked for the key exactly as it stands in the URI', () => {
    expect(pickStorage('s3://b/in/a b/../%41?x#y', storages)?.key).toBe('in/a b/../%41?x#y')
  })
})

describe('resolved data', () => {
  const storages = [s3(1, 'b', 'in/'), local(2, 'photos')]
  const rewrite = (data: unknown) => rewriteUris(data as never, storages, (uri) => `<${uri}>`)

  it('has every URI that is served replaced, at any depth', () => {
    expect(
      rewrite({ a: 's3://b/in/1', b: [{ c: ['s3://b/in/2', 's3://other/in/3', 4, null, true] }], 's3://b/in/k': 'x' }),
    ).toEqual({
      a: '<s3://b/in/1>',
      b: [{ c: ['<s3://b/in/2>', 's3://other/in/3', 4, null, true] }],
      's3://b/in/k': 'x',
    })
  })

  it('has URIs inside text replaced, several and of several storages', () => {
    const html = `<img src="s3://b/in/1.jpg"> <a href='local-files:///photos/2'>s3://b/out/3</a> s3://b/in/4`
    expect(rewrite(html)).toBe(
      `<img src="<s3://b/in/1.jpg>"> <a href='<local-files:///photos/2>'>s3://b/out/3</a> <s3://b/in/4>`,
    )
  })

  it('takes a text that is one URI whole, with spaces and quotes', () => {
    expect(rewrite('s3://b/in/a "b" c.jpg')).toBe('<s3://b/in/a "b" c.jpg>')
  })

  it('keeps big numbers, odd field names and everything else as it is', () => {
    const text = '{"n":12345678901234567890,"__proto__":{"x":1},"u":"https://b/in/1","e":[]}'
    expect(JSON.stringify(rewriteUris(parseJson(text), storages, String))).toBe(text)
  })

  it('links with the URI in base64url', () => {
    const link = new URL(resolveUrl('https://sluice.example', 7, 's3://b/in/ü?&.jpg'))
    expect(link.pathname).toBe('/tasks/7/resolve/')
    expect(Buffer.from(link.searchParams.get('fileuri')!, 'base64url').toString()).toBe('s3://b/in/ü?&.jpg')
  })
})

describe('a Range header', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=2-5', { start: 2, end: 5 }],
    ['bytes= 2-5', { start: 2, end: 5 }],
    ['bytes=0-', { start: 0, end: 99 }],
    ['bytes=50-', { start: 50, end: 149 }],
    ['bytes=0-1000', { start: 0, end: 99 }],
    ['bytes=-10', { suffix: 10 }],
    ['bytes=-1000', { suffix: 100 }],
    ['bytes=-0', { suffix: 0 }],
    ['bytes=1-2,5-6', { start: 1, end: 2 }],
    ['bytes=5-2', undefined],
    ['bytes=-', undefined],
    ['bytes=a-b', undefined],
    ['bytes=1-2x', undefined],
    ['bytes 1-2', undefined],
    ['items=1-2', undefined],
  ])('%j means %j', (header, range) => {
    expect(parseRange(header, 100)).toEqual(range)
  })
})
