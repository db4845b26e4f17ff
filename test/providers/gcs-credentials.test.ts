import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { localEgress } from '@sluice/testkit/egress.ts'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openGcs } from '../../src/providers/gcs/client.ts'
import { gcs } from '../../src/providers/gcs/kind.ts'
import type { GcsLocation } from '../../src/providers/gcs/location.ts'
import { bucketOn, open } from './gcs-place.ts'

let server: GcsServer

beforeAll(async () => {
  server = await startGcs()
})
afterAll(() => server.stop())

describe('GCS: service account keys that are refused before they are saved', () => {
  const faultOf = (serviceAccountJson: string) => {
    const { success, error } = gcs.secrets.safeParse({ serviceAccountJson })
    return success ? null : error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join()
  }
  const keyFile = (changes: Record<string, unknown>) =>
    JSON.stringify({ ...JSON.parse(server.newAccount().keyFile), ...changes })

  test('a key file of Google is accepted', () => {
    expect(faultOf(keyFile({}))).toBe(null)
  })

  test.for<[string, () => string, string]>([
    ['text', () => 'SECRET', 'is not valid JSON: paste the whole content of the key file'],
    ['half a file', () => keyFile({}).slice(0, -9), 'is not valid JSON: paste the whole content of the key file'],
    ['nothing', () => '', 'is not valid JSON: paste the whole content of the key file'],
    ['an array', () => '["SECRET"]', 'is not a JSON object'],
    ['null', () => 'null', 'is not a JSON object'],
    [
      'credentials of a person',
      () => keyFile({ type: 'authorized_user' }),
      'is not a service account key: its type is another',
    ],
    ['a file without a name', () => keyFile({ client_email: undefined }), 'lacks client_email'],
    ['a file without a key', () => keyFile({ private_key: '' }), 'lacks private_key'],
    [
      'a key that is none',
      () => keyFile({ private_key: 'SECRET' }),
      'has a private_key that is not a key in PEM format',
    ],
    ['a token address that is none', () => keyFile({ token_uri: 'file:///SECRET' }), 'has a token_uri that is no URL'],
  ])('%s', ([, file, fault]) => {
    expect(faultOf(file())).toBe(`serviceAccountJson ${fault}`)
  })
})

describe('GCS: settings that do not go together', () => {
  const key = { serviceAccountJson: 'given' }
  test.for([
    [{}, {}, []],
    [{}, key, []],
    [{ anonymous: true }, {}, []],
    [{ anonymous: true }, key, ['anonymous']],
    [{ endpoint: 'http://gcs.example:4443' }, key, []],
    [{ endpoint: 'http://gcs.example:4443', anonymous: true }, {}, []],
    [{ endpoint: 'http://gcs.example:4443' }, {}, ['serviceAccountJson']],
    [{ endpoint: 'https://storage.googleapis.com.example' }, {}, ['serviceAccountJson']],
    [{ endpoint: 'http://storage.googleapis.com' }, {}, ['serviceAccountJson']],
    [{ endpoint: 'https://storage-psc.p.googleapis.com' }, {}, []],
  ] as const)('%o with %o has faults at %o', ([place, secrets, paths]) => {
    const location = gcs.location.parse({ bucket: 'bucket', ...place })
    expect(gcs.crossCheck!(location, secrets).map((fault) => fault.path)).toEqual(paths)
  })

  test('the credentials of this machine are sent only to Google, even if another endpoint was saved', async () => {
    const opening = open({ bucket: 'bucket', endpoint: server.endpoint })
    await expect(opening).rejects.toMatchObject({ code: 'BAD_CREDENTIALS' })
  })
})

describe('GCS: without credentials', () => {
  test('a public bucket is listed and read, and no URL is signed', async () => {
    const { bucket, endpoint } = await bucketOn(server, { objects: { a: 'hello' }, isPublic: true })
    const before = server.counts.token
    const provider = await open({ bucket, endpoint, anonymous: true })
    await provider.check()
    const { objects } = await provider.list({ cursor: null, limit: 9, recursive: true })
    expect(objects.map(({ key }) => key)).toEqual(['a'])
    expect(await text((await provider.read('a')).body)).toBe('hello')
    expect(provider.presign).toBeUndefined()
    expect(server.counts.token).toBe(before)
  })

  test('a private object is DENIED', async () => {
    const { bucket, endpoint } = await bucketOn(server, { objects: { a: 'hello' } })
    const provider = await open({ bucket, endpoint, anonymous: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'DENIED' })
    await expect(provider.read('a')).rejects.toMatchObject({ code: 'DENIED' })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'DENIED' })
  })
})

describe('GCS: where the requester pays', () => {
  test('the project that pays is named, also in signed URLs', async () => {
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server, {
      objects: { a: 'a' },
      requesterPays: true,
    })
    const provider = await open({ bucket, endpoint, projectId: 'payer' }, { serviceAccountJson })
    expect(await text((await provider.read('a')).body)).toBe('a')
    const url = await provider.presign!('a', { ttlSeconds: 60 })
    expect(url.searchParams.get('userProject')).toBe('payer')
    expect((await fetch(url)).status).toBe(200)
  })

  /** A bucket whose requester pays, in a provider that has sent no request yet: after a restart, or in a process that only signs. */
  const unused = async (options: { requesterPays?: boolean } = { requesterPays: true }) => {
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server, { objects: { a: 'a', b: 'b' }, ...options })
    return open({ bucket, endpoint, projectId: 'payer' }, { serviceAccountJson })
  }

  test('a URL signed before any other request names the project that pays', async () => {
    const url = await (await unused()).presign!('a', { ttlSeconds: 60 })
    expect(url.searchParams.get('userProject')).toBe('payer')
    expect(await (await fetch(url)).text()).toBe('a')
  })

  test('concurrent and later URLs look up the payer once', async () => {
    const provider = await unused({})
    const before = server.counts['objects.get'] ?? 0
    const urls = await Promise.all(['a', 'b', 'a'].map((name) => provider.presign!(name, { ttlSeconds: 60 })))
    urls.push(await provider.presign!('b', { ttlSeconds: 60 }))
    expect(server.counts['objects.get']).toBe(before + 1)
    expect(urls.map((url) => url.searchParams.has('userProject'))).toEqual([false, false, false, false])
    for (const url of urls) expect((await fetch(url)).status).toBe(200)
  })

  test('a URL is not signed while the payer is unknown, and is correct afterwards', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
    onTestFinished(() => void vi.restoreAllMocks())
    const provider = await unused()
    const down = server.fail({ times: Infinity, status: 503, match: ({ operation }) => operation === 'objects.get' })
    onTestFinished(() => down.release())
    await expect(provider.presign!('a', { ttlSeconds: 60 })).rejects.toMatchObject({ code: 'THROTTLED' })
    down.release()
    expect((await fetch(await provider.presign!('a', { ttlSeconds: 60 }))).status).toBe(200)
  })

  test('a URL of a missing object is signed for the project that pays', async () => {
    const url = await (await unused()).presign!('missing', { ttlSeconds: 60 })
    expect(url.searchParams.get('userProject')).toBe('payer')
    expect((await fetch(url)).status).toBe(404)
  })

  test('requests that are refused at the same time all name the project then', async () => {
    const provider = await unused()
    const bodies = await Promise.all(['a', 'b', 'a', 'b'].map(async (name) => text((await provider.read(name)).body)))
    expect(bodies).toEqual(['a', 'b', 'a', 'b'])
  })

  test('without a project, requests are DENIED, with what to do', async () => {
    const { provider } = await bucketOn(server, { requesterPays: true })
    const fault = { code: 'DENIED', message: expect.stringContaining('project') }
    await expect(provider.check()).rejects.toMatchObject(fault)
  })

  test('no project is named for other buckets, because that needs a permission', async () => {
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server, { objects: { a: 'a' } })
    const provider = await open({ bucket, endpoint, projectId: 'payer' }, { serviceAccountJson })
    await provider.check()
    expect((await provider.presign!('a', { ttlSeconds: 60 })).searchParams.has('userProject')).toBe(false)
  })
})

describe('GCS: with the credentials of this machine', () => {
  /** A place that is reached as from a machine in Google Cloud. */
  async function openHere(place: Partial<GcsLocation> = {}) {
    const home = await mkdtemp(join(tmpdir(), 'sluice-home-'))
    onTestFinished(() => rm(home, { recursive: true }))
    vi.stubEnv('HOME', home)
    vi.stubEnv('APPDATA', home)
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '')
    vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${server.port}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    const location = gcs.location.parse({ bucket: 'bucket', ...place }) as GcsLocation
    const signingEndpoint = `${server.endpoint}/v1/projects/-/serviceAccounts/`
    const provider = openGcs(location, {}, localEgress, { trusts: () => true, signingEndpoint })
    onTestFinished(() => provider.close())
    return provider
  }

  test('objects are read with the token of the metadata server, and URLs are signed by Google for it', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
    const { bucket, endpoint } = await bucketOn(server, { objects: { a: 'hello' } })
    server.machine = server.newAccount()
    const provider = await openHere({ bucket, endpoint })
    await provider.check()
    expect(await text((await provider.read('a')).body)).toBe('hello')
    const url = await provider.presign!('a', { ttlSeconds: 60 })
    expect(server.counts.signBlob).toBe(1)
    expect(await (await fetch(url)).text()).toBe('hello')
  })

  test('a machine without the permission to sign is DENIED only signing', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
    const { bucket, endpoint } = await bucketOn(server, { objects: { a: 'hello' } })
    server.machine = server.newAccount({ may: ({ operation }) => operation !== 'signBlob' })
    const provider = await openHere({ bucket, endpoint })
    await provider.check()
    const fault = { code: 'DENIED', message: expect.stringContaining('iam.serviceAccounts.signBlob') }
    await expect(provider.presign!('a', { ttlSeconds: 60 })).rejects.toMatchObject(fault)
  })

  test('a machine without credentials is BAD_CREDENTIALS, with another message than for wrong ones', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none')
    const provider = await openHere()
    const fault = { code: 'BAD_CREDENTIALS', message: expect.stringContaining('no Google credentials of its own') }
    await expect(provider.check()).rejects.toMatchObject(fault)
    await expect(provider.presign!('a', { ttlSeconds: 60 })).rejects.toMatchObject(fault)
  })
})
