import { Storage } from '@google-cloud/storage'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import { GoogleAuth, gaxios, JWT } from 'google-auth-library'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let server: GcsServer

beforeAll(async () => {
  server = await startGcs()
})
afterAll(() => server.stop())

let buckets = 0

/** A new bucket as Google's own client sees it. */
function clientOf() {
  const name = `bucket-${++buckets}`
  server.createBucket(name)
  const { client_email: email, private_key: key, token_uri } = JSON.parse(server.newAccount().keyFile)
  const transporter = new gaxios.Gaxios()
  transporter.interceptors.request.add({
    resolved: async (request) =>
      request.url.pathname === '/token' ? { ...request, url: new URL(token_uri) } : request,
  })
  const authClient = new GoogleAuth({
    authClient: new JWT({ email, key, scopes: ['storage'], additionalClaims: { aud: token_uri }, transporter }),
  })
  const { endpoint: apiEndpoint } = server
  return new Storage({ authClient, apiEndpoint, useAuthWithCustomEndpoint: true }).bucket(name)
}

describe("the emulator serves Google's own client", () => {
  test.for([0, 1_000_000])('%i bytes', async (size) => {
    const file = clientOf().file('a folder/é+%2F.bin')
    const body = Buffer.alloc(size, 'sluice ')
    await file.save(body, { resumable: false, contentType: 'application/x-odd', validation: false })
    expect((await file.download({ validation: false }))[0].equals(body)).toBe(true)
    const [about] = await file.getMetadata()
    expect(about).toMatchObject({ name: 'a folder/é+%2F.bin', size: String(size), contentType: 'application/x-odd' })
    await file.delete()
    expect(await file.exists()).toEqual([false])
  })

  test('pages and folders', async () => {
    const bucket = clientOf()
    const names = ['B', 'a', 'b/1', 'b/2', 'c/1', '🙂', '\ue000']
    for (const name of names) server.put(bucket.name, name, '')
    const found: string[] = []
    for (let query: object | null = { autoPaginate: false, maxResults: 2 }; query; ) {
      const [files, next]: [{ name: string }[], object | null, unknown] = await bucket.getFiles(query)
      found.push(...files.map(({ name }) => name))
      query = next
    }
    expect(found).toEqual(['B', 'a', 'b/1', 'b/2', 'c/1', '\ue000', '🙂'])
    const [from] = await bucket.getFiles({ startOffset: 'b/2', endOffset: '\ue000' })
    expect(from.map(({ name }) => name)).toEqual(['b/2', 'c/1'])
    const [, , level] = await bucket.getFiles({ delimiter: '/', autoPaginate: false, maxResults: 4 })
    expect(level).toMatchObject({ prefixes: ['b/', 'c/'] })
  })

  // The client sends no credentials with resumable uploads to an endpoint that is not Google's.
  test('resumable uploads, in parts', async () => {
    const bucket = clientOf()
    const headers = { ...Object.fromEntries(await bucket.storage.authClient.getRequestHeaders(server.endpoint)) }
    const start = `${server.endpoint}/upload/storage/v1/b/${bucket.name}/o?uploadType=resumable&name=a%20b`
    const session = await fetch(start, {
      method: 'POST',
      headers: { ...headers, 'x-upload-content-type': 'text/plain' },
    })
    const url = session.headers.get('location')!
    const put = (range: string, body: string) =>
      fetch(url, { method: 'PUT', headers: { ...headers, 'content-range': `bytes ${range}` }, body })
    const first = await put('0-3/*', '0123')
    expect([first.status, first.headers.get('range')]).toEqual([308, 'bytes=0-3'])
    expect((await put('4-9/10', '456789')).status).toBe(200)
    const file = bucket.file('a b')
    expect(String((await file.download({ validation: false }))[0])).toBe('0123456789')
    expect((await file.getMetadata())[0].contentType).toBe('text/plain')
  })

  test('conditions and ranges', async () => {
    const file = clientOf().file('a')
    await file.save('0123456789', { resumable: false, validation: false })
    const again = file.save('x', { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } })
    await expect(again).rejects.toMatchObject({ code: 412 })
    expect(String((await file.download({ start: 2, end: 4 }))[0])).toBe('234')
  })
})
