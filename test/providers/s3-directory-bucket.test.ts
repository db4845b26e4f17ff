import { text } from 'node:stream/consumers'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ListPage } from '../../src/providers/provider.ts'
import { s3 } from '../../src/providers/s3/kind.ts'
import { fronted, open, watch } from './s3-place.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

const suffix = '--use1-az4--x-s3'
const names = Array.from({ length: 25 }, (_, n) => `${n % 3 ? 'deep/er/' : ''}${n}.txt`)
const objects = Object.fromEntries(names.map((name) => [name, `body of ${name}`]))

async function keysOf(location: object, options: { limit: number; recursive: boolean }): Promise<string[]> {
  const keys: string[] = []
  let cursor: string | null = null
  do {
    // Opened anew for each page, as after a crash.
    const provider = await open({ region: 'us-east-1', ...location })
    const page: ListPage = await provider.list({ cursor, ...options })
    keys.push(...page.objects.map(({ key }) => key))
    cursor = page.cursor
  } while (cursor !== null)
  return keys
}

describe('S3 Express: a directory bucket', () => {
  test.for([1, 7, 1000])(
    'lists each key once, by continuation token and without start-after, %i a page',
    async (limit) => {
      const { bucket, endpoint, front } = await fronted(server, { objects, suffix })
      const seen = watch(front)
      const keys = await keysOf({ bucket, endpoint }, { limit, recursive: true })
      expect(keys.toSorted()).toEqual(names.toSorted())
      const top = await keysOf({ bucket, endpoint }, { limit, recursive: false })
      expect(top.toSorted()).toEqual(names.filter((name) => !name.includes('/')).toSorted())
      expect(seen.filter(({ url }) => url.includes('start-after'))).toEqual([])
    },
  )

  test('promises no order, and no listing from a key on', async () => {
    const { bucket, endpoint } = await fronted(server, { objects, suffix })
    const provider = await open({ bucket, endpoint, region: 'us-east-1' })
    expect([provider.ordered, provider.keyCursor, provider.ascends]).toEqual([undefined, undefined, undefined])
    const { objects: listed } = await provider.list({ cursor: null, limit: 1000, recursive: true })
    const keys = listed.map(({ key }) => key)
    expect(keys, 'the emulator lists in no order').not.toEqual(keys.toSorted())
    expect(await text((await provider.read(keys[0]!)).body)).toBe(`body of ${keys[0]}`)
  })

  test('with a truncated listing without a token is UNEXPECTED_ANSWER', async () => {
    const { bucket, endpoint, front } = await fronted(server, { suffix })
    const body =
      '<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>'
    front.fail({
      match: ({ url }) => url.includes('list-type'),
      answer: { status: 200, headers: { 'content-type': 'application/xml' }, body },
    })
    const provider = await open({ bucket, endpoint, region: 'us-east-1' })
    await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject({
      code: 'UNEXPECTED_ANSWER',
    })
  })

  test.for([
    [{}, ['region']],
    [{ region: 'us-east-1' }, []],
    [{ region: 'us-east-1', prefix: 'photos/' }, []],
    [{ region: 'us-east-1', prefix: 'pho' }, ['prefix']],
    [{ endpoint: 'http://127.0.0.1:9000' }, []],
  ] as const)('with %o has faults at %o', ([more, paths]) => {
    const place = s3.location.parse({ bucket: `photos${suffix}`, ...more })
    expect(s3.crossCheck!(place, {}).map(({ path }) => path)).toEqual(paths)
  })
})
