import { text } from 'node:stream/consumers'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { openObject } from '../../src/resolve/open-object.ts'
import { fronted as azureFronted } from './azure-place.ts'
import { bucketOn } from './gcs-place.ts'
import { fronted as s3Fronted } from './s3-place.ts'

let [s3, gcs, azure] = [] as unknown as [S3Server, GcsServer, AzureServer]
beforeAll(async () => {
  ;[s3, gcs, azure] = await Promise.all([startS3(), startGcs(), startAzure()])
})
afterAll(() => Promise.all([s3?.stop(), gcs?.stop(), azure?.stop()]))

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

/** A provider whose server gives this answer to all reads of an object. */
const servers: Record<string, (answer: Answer) => Promise<Provider>> = {
  async S3(answer) {
    const { front, provider } = await s3Fronted(s3)
    front.fail({ answer, times: Infinity, match: ({ key }) => key === 'a' })
    return provider
  },
  async GCS(answer) {
    const { provider, bucket } = await bucketOn(gcs, { objects: { a: '0123456789' } })
    gcs.fail({ answer, times: Infinity, match: (request) => request.bucket === bucket && request.key === 'a' })
    return provider
  },
  async AZURE_BLOB(answer) {
    const { front, provider } = await azureFronted(azure)
    front.fail({ answer, times: Infinity, match: ({ url }) => url?.includes('/a') === true })
    return provider
  },
}
const answerOf = (status: number, body: string, contentRange: string): Answer => ({
  status,
  headers: {
    ...{ 'content-length': String(body.length), 'content-range': contentRange, etag: '"1"', 'x-goog-generation': '1' },
    ...{
      'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
      'x-ms-version': '2024-11-04',
      'x-ms-blob-type': 'BlockBlob',
    },
  },
  body,
})
const signal = new AbortController().signal

/** What a client without `Range` gets by resolve. */
async function resolved(provider: Provider) {
  const heads = { get: () => undefined, set: () => {}, delete: () => {} } as never
  const source = { provider, key: 'a', heads, name: 'a' }
  const request = { ranges: undefined, conditions: {}, maxPartBytes: Infinity, access: 'x', signal }
  const { status, opened } = await openObject(source, { method: 'GET', ...request } as never)
  return [status, opened?.range, opened?.size, await text(opened!.body)]
}

describe.each(Object.keys(servers))('a read without a range from %s', (name) => {
  test.each([200, 206])(
    'is the whole object, and 200 for the client, when the server sends %d with a Content-Range of all',
    async (status) => {
      const provider = await servers[name]!(answerOf(status, '0123456789', 'bytes 0-9/10'))
      expect(await resolved(provider)).toEqual([200, undefined, 10, '0123456789'])
    },
  )

  test.each(['bytes 0-4/10', 'bytes 5-9/10', 'bytes 0-4/*', 'nonsense'])(
    'is UNEXPECTED_ANSWER when the server sends a part of it (%s)',
    async (part) => {
      const provider = await servers[name]!(answerOf(206, '01234', part))
      await expect(provider.read('a', { signal })).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
    },
  )
})
