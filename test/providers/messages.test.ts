import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { environment } from '@sluice/testkit/egress.ts'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Provider, ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'

// Pauses before another try are a random part of a backoff.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.001)
})
afterEach(() => {
  vi.restoreAllMocks()
})

interface Answer {
  status: number
  headers?: Record<string, string>
  body: string
}

/** Starts a server that answers every request alike, and returns its address. */
async function startServer(answer: (request: IncomingMessage) => Answer): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    const { status, headers, body } = answer(request)
    response.writeHead(status, headers).end(body)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

type HttpKind = Extract<ProviderName, 'S3' | 'GCS' | 'AZURE_BLOB'>

const places: Record<HttpKind, (endpoint: string) => [location: object, secrets: object]> = {
  S3: (endpoint) => [
    { bucket: 'photos', endpoint },
    { accessKeyId: 'key', secretAccessKey: 'secret' },
  ],
  GCS: (endpoint) => [{ bucket: 'photos', endpoint, anonymous: true }, {}],
  AZURE_BLOB: (endpoint) => [
    { account: 'account', container: 'photos', endpoint: `${endpoint}/account` },
    { accountKey: Buffer.from('key').toString('base64') },
  ],
}
const httpKinds = Object.keys(places) as HttpKind[]

async function open(name: HttpKind, endpoint: string): Promise<Provider> {
  const kind: ProviderKind = providers[name]
  const [location, secrets] = places[name](endpoint)
  const provider = await kind.open(kind.location.parse(location), kind.secrets.parse(secrets) as never, environment)
  onTestFinished(() => provider.close())
  return provider
}

const calls: [string, (provider: Provider) => Promise<unknown>][] = [
  ['check', (provider) => provider.check()],
  ['list', (provider) => provider.list({ cursor: null, limit: 1, recursive: true })],
  ['head', (provider) => provider.head('a')],
  ['read', (provider) => provider.read('a')],
  ['write', (provider) => provider.write('a', Buffer.from('x'))],
  ['remove', (provider) => provider.remove('a')],
]

const cases = httpKinds.flatMap((name) => calls.map(([what, call]) => ({ name, what, call })))

describe.each(cases)('a web page instead of a response of $name to $what', ({ name, call }) => {
  it.each([
    [500, 'UNREACHABLE'],
    [502, 'UNREACHABLE'],
    [504, 'UNREACHABLE'],
    [503, 'THROTTLED'],
    [429, 'THROTTLED'],
    [408, 'TIMEOUT'],
    [413, 'OBJECT_TOO_LARGE'],
  ])('with status %i is %s, not CONSOLE_URL', async (status, code) => {
    const body = '<!doctype html><html><head><meta charset=utf-8></head><body>Oh no<br></body></html>'
    const endpoint = await startServer(() => ({ status, headers: { 'content-type': 'text/html' }, body }))
    const error = await call(await open(name, endpoint)).catch((fault: Error) => fault)
    expect(error).toMatchObject({ code })
    expect((error as Error).message).not.toContain('Oh no')
  })

  it('with status 507 says that the storage is full', async () => {
    const endpoint = await startServer(() => ({ status: 507, body: '' }))
    await expect(call(await open(name, endpoint))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  })
})

const s3Error = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>words of the server</Message></Error>`,
})

describe('S3: a 404 that is not about the bucket', () => {
  it.each([
    ['XAdminUserNotFound', 'versitygw with one account'],
    ['NoSuchUser', 'another server'],
    ['InvalidAccessKeyID', 'another server'],
  ])('with the code %s, of %s, is BAD_CREDENTIALS, not NO_SUCH_BUCKET', async (code) => {
    const provider = await open('S3', await startServer(() => s3Error(404, code)))
    for (const [what, call] of calls.filter(([name]) => name !== 'head')) {
      await expect(call(provider), what).rejects.toMatchObject({ code: 'BAD_CREDENTIALS' })
    }
  })

  it('with another unknown code is UNEXPECTED_ANSWER, not NO_SUCH_BUCKET', async () => {
    const provider = await open('S3', await startServer(() => s3Error(404, 'NoSuchThing')))
    const fault = { code: 'UNEXPECTED_ANSWER', remote: { status: 404, code: 'an unknown code' } }
    await expect(provider.check()).rejects.toMatchObject(fault)
  })

  it.each(['NoSuchBucket', 'NoSuchBucketHere', 'ContainerNotFound'])(
    'is NO_SUCH_BUCKET, which names the bucket, with the code %s',
    async (code) => {
      const provider = await open('S3', await startServer(() => s3Error(404, code)))
      const fault = { code: 'NO_SUCH_BUCKET', message: expect.stringContaining('"photos"') }
      await expect(provider.check()).rejects.toMatchObject(fault)
    },
  )

  it('without a body is NO_SUCH_BUCKET, which names the bucket', async () => {
    const provider = await open('S3', await startServer(() => ({ status: 404, body: '' })))
    const fault = { code: 'NO_SUCH_BUCKET', message: expect.stringContaining('"photos"') }
    await expect(provider.check()).rejects.toMatchObject(fault)
  })
})

describe('an error code of a server that is the name of a built-in property', () => {
  it.each(['constructor', '__proto__', 'toString'])('%s is an unknown code of S3 and Azure', async (code) => {
    const s3 = await open('S3', await startServer(() => s3Error(400, code)))
    await expect(s3.check()).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
    const headers = { 'x-ms-error-code': code, 'content-type': 'application/xml' }
    const azure = await open('AZURE_BLOB', await startServer(() => ({ ...s3Error(400, code), headers })))
    await expect(azure.check()).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
  })
})

describe('S3: a full storage', () => {
  it.each([
    [507, 'XMinioStorageFull'],
    [403, 'QuotaExceeded'],
    [400, 'XMinioAdminBucketQuotaExceeded'],
  ])('with the response %i %s is STORAGE_FULL', async (status, code) => {
    const provider = await open('S3', await startServer(() => s3Error(status, code)))
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_FULL', retryable: true })
  })
})
