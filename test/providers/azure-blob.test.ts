import { buffer, text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { describeProvider } from '@sluice/testkit/conformance/describe.ts'
import { pages } from '@sluice/testkit/conformance/world.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { azureBlob } from '../../src/providers/azure-blob/kind.ts'
import { fronted, placeOf } from './azure-place.ts'

let server: AzureServer

beforeAll(async () => {
  server = await startAzure()
})
afterAll(() => server.stop())

describeProvider('Azure Blob', azureBlob, async () => {
  const { open, put } = await placeOf(server)
  return { base: '', open: (prefix = '') => open({ prefix }), put }
})

const manyNames = (count: number, name: (n: number) => string): [string, ...string[]] => [
  name(0),
  ...Array.from({ length: count - 1 }, (_, n) => name(n + 1)),
]

describe('Azure Blob: listing', () => {
  test('3,500 keys take four requests', async () => {
    const { provider, front, client } = await fronted(server)
    await server.putMany(
      client.containerName,
      manyNames(3500, (n) => `a/${n}.jpg`),
    )
    const found = (await pages(provider)).flatMap(({ objects }) => objects)
    expect(new Set(found.map(({ key }) => key)).size).toBe(3500)
    expect(front.requests).toHaveLength(4)
  })

  test('a folder entry of Data Lake is no object, with and without empty objects beside it', async () => {
    const { open, put } = await placeOf(server)
    await put('dir', '', { hdi_isfolder: 'true' })
    await put('dir2/', '', { Hdi_isfolder: 'true' })
    await put('dir/empty', '')
    await put('full', 'x', { hdi_isfolder: 'true' })
    await put('tagged', '', { hdi_isfolder: 'false', other: 'true' })
    const keys = async (recursive: boolean) => {
      const { objects } = await (await open()).list({ cursor: null, limit: 100, recursive })
      return objects.map(({ key }) => key).sort()
    }
    expect(await keys(true)).toEqual(['dir/empty', 'dir2/', 'full', 'tagged'])
    expect(await keys(false)).toEqual(['full', 'tagged'])
  })

  test.for(['a+b/', 'a%20b/', 'a&b=c/', 'é 🙂/', `'"<>/`, '#?/', '/', 'a b'])(
    'the prefix "%s" is literal',
    async (prefix) => {
      const { open } = await placeOf(server, { [`${prefix}x`]: '', 'other/x': '', b: '' })
      const provider = await open({ prefix })
      for (const recursive of [true, prefix === 'a b']) {
        const { objects } = await provider.list({ cursor: null, limit: 9, recursive })
        expect(objects.map(({ key }) => key)).toEqual([`${prefix}x`])
      }
    },
  )

  test('a page full of characters that XML must escape is read whole', async () => {
    const { open, client } = await placeOf(server)
    const names = manyNames(1000, (n) => `${`&<>"'`.repeat(40)}${n}`)
    await server.putMany(client.containerName, names)
    const { objects } = await (await open()).list({ cursor: null, limit: 1000, recursive: true })
    expect(objects.map(({ key }) => key).sort()).toEqual(names.sort())
  })

  test('a server that repeats its first page for ever is UNEXPECTED_ANSWER, not an endless listing', async () => {
    const { front, provider } = await fronted(server)
    const blob = '<Blob><Name>a</Name><Properties><Content-Length>1</Content-Length><Etag>e</Etag></Properties></Blob>'
    const body = `<EnumerationResults><Blobs>${blob}</Blobs><NextMarker>again</NextMarker></EnumerationResults>`
    front.fail({ times: Infinity, answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } })
    const { cursor } = await provider.list({ cursor: null, limit: 1, recursive: true })
    const next = provider.list({ cursor, limit: 1, recursive: true })
    await expect(next).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
  })
})

describe('Azure Blob: reading', () => {
  test('bytes are returned as they are stored, compressed ones too', async () => {
    const { client, open } = await placeOf(server)
    const bytes = gzipSync('hello '.repeat(1000))
    const blobHTTPHeaders = { blobContentEncoding: 'gzip', blobContentType: 'text/plain' }
    await client.getBlockBlobClient('a.gz').upload(bytes, bytes.length, { blobHTTPHeaders })
    const { body, length } = await (await open()).read('a.gz')
    expect(length).toBe(bytes.length)
    expect((await buffer(body)).equals(bytes)).toBe(true)
  })

  test('a suffix of an object takes one request more, and is refused if the object changes in between', async () => {
    const { front, provider, put } = await fronted(server, { a: '0123456789' })
    expect(await text((await provider.read('a', { range: { suffix: 3 } })).body)).toBe('789')
    expect(front.requests.map((request) => request.split(' ')[0])).toEqual(['HEAD', 'GET'])
    const busy = { status: 503, code: 'ServerBusy', headers: { 'retry-after': '1' } }
    const held = front.fail({ match: ({ method }) => method === 'GET', ...busy })
    const reading = provider.read('a', { range: { suffix: 3 } })
    await Promise.all([
      expect(reading).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' }),
      held.met.then(() => put('a', 'another text')),
    ])
  })
})

describe('Azure Blob: keys that no URL can name', () => {
  test.for(['', '.', '..', '../other/secret', 'a/../../other/secret', './a', 'a/./b', 'a\\b', '..\\other'])(
    '"%s" does not exist, and is never another object',
    async (key) => {
      const { provider, front } = await fronted(server, { a: 'kept', 'a/b': 'kept' })
      await expect(provider.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
      await expect(provider.write(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'DENIED' })
      await expect(provider.presign!(key, { ttlSeconds: 60 })).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
      await provider.remove(key)
      expect(front.requests).toEqual([])
    },
  )
})

describe('Azure Blob: removing', () => {
  test('an object is removed with its snapshots', async () => {
    const { client, open } = await placeOf(server, { a: 'x' })
    await client.getBlobClient('a').createSnapshot()
    const provider = await open()
    await provider.remove('a')
    await expect(provider.read('a')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  })
})

describe('Azure Blob: the form', () => {
  const key = { accountKey: Buffer.from('key').toString('base64') }
  const sas = { sasToken: '?sv=2020-12-06&sig=abc%3D' }
  const principal = { tenantId: 'tenant', clientId: 'client' }
  const secret = { clientSecret: 'secret' }
  const faults = (place: object, secrets: object) =>
    azureBlob.crossCheck!(
      azureBlob.location.parse({ account: 'account', container: 'container', ...place }),
      azureBlob.secrets.parse(secrets),
    ).map((fault) => fault.path)

  test.for<[object, object, string[]]>([
    [{}, {}, []],
    [{}, key, []],
    [{}, sas, []],
    [{ anonymous: true }, {}, []],
    [principal, secret, []],
    [{}, { ...key, ...sas }, ['sasToken']],
    [{ anonymous: true }, key, ['anonymous']],
    [principal, { ...sas, ...secret }, ['clientSecret']],
    [principal, {}, ['clientSecret']],
    [{ clientId: 'client' }, {}, ['clientSecret']],
    [{ tenantId: 'tenant' }, secret, ['clientId']],
    [{}, secret, ['tenantId', 'clientId']],
    [principal, key, ['tenantId', 'clientId']],
    [{ endpoint: 'http://emulator:10000/account' }, key, []],
    [{ endpoint: 'http://emulator:10000/account' }, {}, ['endpoint']],
    [{ ...principal, endpoint: 'http://emulator:10000/account' }, secret, ['endpoint']],
    [{ endpoint: 'http://127.0.0.1:10000/account/' }, key, []],
    [{ endpoint: 'http://127.0.0.1:10000' }, key, ['endpoint']],
    [{ endpoint: 'http://localhost:10000/devstoreaccount1' }, key, ['endpoint']],
  ])('%o with %o has faults at %o', ([place, secrets, paths]) => {
    expect(faults(place, secrets)).toEqual(paths)
  })

  test.for([
    { accountKey: 'not base64!' },
    { accountKey: 'abcde' },
    { accountKey: 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abcd' },
    { sasToken: 'https://account.blob.core.windows.net/?sig=abc' },
    { sasToken: 'sv=2020-12-06' },
  ])('the secret %o is refused, without repeating it', (secrets) => {
    const { error } = azureBlob.secrets.safeParse(secrets)
    expect(error?.issues.map((issue) => issue.path)).toEqual([Object.keys(secrets)])
    expect(error!.message).not.toContain(Object.values(secrets)[0])
  })

  test.for([
    { account: 'My-Account' },
    { container: 'Upper' },
    { container: 'a--b' },
    { container: 'ab' },
    { container: 'folder/sub' },
    { endpoint: 'ftp://example.com' },
    { endpoint: 'https://account.blob.core.windows.net/?sv=1&sig=abc' },
    { endpoint: 'https://user:password@example.com' },
    { tenantId: 'a/b' },
  ])('the location %o is refused', (wrong) => {
    const { error } = azureBlob.location.safeParse({ account: 'account', container: 'container', ...wrong })
    expect(error?.issues.map((issue) => issue.path)).toEqual([Object.keys(wrong)])
  })

  test('the place distinguishes accounts, and normalizes the endpoint', () => {
    const place = (more: object) =>
      azureBlob.place(azureBlob.location.parse({ account: 'one', container: 'container', prefix: 'p/', ...more }))
    const endpoint = 'https://one.blob.core.windows.net'
    expect(place({})).toEqual({ endpoint, bucket: 'container', prefix: 'p/' })
    expect(place({ endpoint: `${endpoint}/` })).toEqual(place({}))
    expect(place({ account: 'two' }).endpoint).not.toBe(endpoint)
  })
})
