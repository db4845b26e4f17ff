import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import type { GcsFault, GcsRequest } from '@sluice/testkit/gcs-faults.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { bucketOn, open } from './gcs-place.ts'

let server: GcsServer

beforeAll(async () => {
  server = await startGcs()
})
afterAll(() => server.stop())

const isApi = ({ operation }: GcsRequest) => operation !== 'token'

/** Sets a fault for the time of one test. */
function fail(fault: GcsFault) {
  const set = server.fail({ match: isApi, ...fault })
  onTestFinished(() => set.release())
  return set
}

const methods: { what: string; run: (provider: Provider, signal?: AbortSignal) => Promise<unknown> }[] = [
  { what: 'check', run: (provider, signal) => provider.check(signal) },
  {
    what: 'list',
    run: (provider, signal) => provider.list({ cursor: null, limit: 1, recursive: true, ...(signal && { signal }) }),
  },
  { what: 'read', run: (provider, signal) => provider.read('a', { signal }) },
  { what: 'write', run: (provider, signal) => provider.write('a', Buffer.from('x'), { signal }) },
  { what: 'remove', run: (provider, signal) => provider.remove('a', signal) },
]

const everyMethod = async (provider: Provider, fault: Record<string, unknown>) => {
  for (const { what, run } of methods) await expect(run(provider), what).rejects.toMatchObject(fault)
}

describe('GCS: what a failing connection is called', () => {
  test('a key that is not the one of its account is BAD_CREDENTIALS', async () => {
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server, { objects: { a: '' } })
    const { private_key } = JSON.parse(server.newAccount({ sharesKey: false }).keyFile)
    const keyFile = JSON.stringify({ ...JSON.parse(serviceAccountJson), private_key })
    const provider = await open({ bucket, endpoint }, { serviceAccountJson: keyFile })
    await everyMethod(provider, { code: 'BAD_CREDENTIALS', message: expect.stringContaining('does not accept') })
  })

  test('the key of an account that was deleted is BAD_CREDENTIALS, and nothing secret is in the error', async () => {
    const { bucket, endpoint } = await bucketOn(server)
    const { keyFile: serviceAccountJson } = server.newAccount({ known: false })
    const error = await (await open({ bucket, endpoint }, { serviceAccountJson })).check().catch((fault) => fault)
    expect(error).toMatchObject({ code: 'BAD_CREDENTIALS' })
    const told = inspect(error, { depth: 20, showHidden: true, getters: true })
    expect(told).not.toContain('account not found')
    expect(told).not.toMatch(/PRIVATE KEY|eyJ|Bearer|ya29/)
  })

  test.for([-2, 2])('a clock that is %i hours ahead is CLOCK_SKEW', async (hours) => {
    const elsewhere = await startGcs({ clock: () => Date.now() - hours * 3_600_000 })
    onTestFinished(() => elsewhere.stop())
    const { provider } = await bucketOn(elsewhere)
    await expect(provider.check()).rejects.toMatchObject({ code: 'CLOCK_SKEW' })
  })

  test('a token that the API does not know is BAD_CREDENTIALS', async () => {
    const { provider } = await bucketOn(server)
    fail({ status: 401, reason: 'authError', message: 'Invalid Credentials', times: Infinity })
    await everyMethod(provider, { code: 'BAD_CREDENTIALS' })
  })

  test.for([
    ['objects.list', 'check', 'storage.objects.list'],
    ['objects.list', 'list', 'storage.objects.list'],
    ['media', 'read', 'storage.objects.get'],
    ['objects.create', 'write', 'storage.objects.create'],
    ['objects.delete', 'remove', 'storage.objects.delete'],
  ] as const)(
    'an account without the permission for %s is DENIED to %s, with the missing permission',
    async ([operation, what, lacking]) => {
      const { bucket, endpoint } = await bucketOn(server, { objects: { a: 'hello' } })
      const account = server.newAccount({ may: (request) => request.operation !== operation })
      const provider = await open({ bucket, endpoint }, { serviceAccountJson: account.keyFile })
      const { run } = methods.find((method) => method.what === what)!
      const error = await run(provider).catch((fault) => fault)
      expect(error).toMatchObject({ code: 'DENIED', message: expect.stringContaining(lacking) })
      expect(inspect(error, { depth: 20, showHidden: true, getters: true })).not.toMatch(/PRIVATE KEY|eyJ|Bearer|ya29/)
    },
  )

  test('a bucket that does not exist is NO_SUCH_BUCKET, named in the message', async () => {
    const { endpoint, serviceAccountJson } = await bucketOn(server)
    const provider = await open({ bucket: 'not-there', endpoint }, { serviceAccountJson })
    await everyMethod(provider, { code: 'NO_SUCH_BUCKET', message: expect.stringContaining('"not-there"') })
  })

  test('an object whose name sounds like a missing bucket is OBJECT_MISSING', async () => {
    const { provider } = await bucketOn(server)
    const read = provider.read('The specified bucket does not exist.')
    await expect(read).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  })

  test('a port where nothing listens is CONNECTION_REFUSED, of the API as of the token service', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
    onTestFinished(() => void vi.restoreAllMocks())
    const gone = await startGcs()
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server)
    const { keyFile } = gone.newAccount()
    await gone.stop()
    const api = await open({ bucket, endpoint: gone.endpoint }, { serviceAccountJson })
    await expect(api.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
    const tokens = await open({ bucket, endpoint }, { serviceAccountJson: keyFile })
    await expect(tokens.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
  })
})

describe('GCS: transient faults', () => {
  // A random part of the backoff is waited for.
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('a token service that is down is UNREACHABLE, not BAD_CREDENTIALS', async () => {
    const { provider } = await bucketOn(server)
    fail({ match: ({ operation }) => operation === 'token', status: 500, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
  })

  test('a body that breaks off does not affect other bodies, or the process if nobody reads it', async () => {
    const { provider } = await bucketOn(server, { objects: { a: 'x'.repeat(5_000_000) } })
    const { body } = await provider.read('a')
    fail({ cutAfterBytes: 1000 })
    const broken = await provider.read('a')
    await new Promise((done) => broken.body.once('close', done))
    expect((await text(body)).length).toBe(5_000_000)
  })
})

describe('GCS: giving up while waiting', () => {
  test.for(methods)(
    'an abort while $what waits for a token, or to try again, ends it with the reason',
    async ({ run }) => {
      const { provider } = await bucketOn(server)
      for (const fault of [
        { match: ({ operation }: GcsRequest) => operation === 'token', hold: true as const },
        { status: 503, times: Infinity },
      ]) {
        const set = fail(fault)
        const controller = new AbortController()
        const reason = new Error('changed my mind')
        const waiting = run(provider, controller.signal)
        await Promise.all([expect(waiting).rejects.toBe(reason), set.met.then(() => controller.abort(reason))])
        set.release()
      }
    },
  )
})
