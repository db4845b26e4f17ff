import { type AddressInfo, createServer } from 'node:net'
import { Readable } from 'node:stream'
import { environment } from '@sluice/testkit/egress.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ErrorCode, SluiceError } from '../../src/errors.ts'
import type { ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'
import { type CheckSubject, checkConnection } from '../../src/storages/check.ts'
import { startPorts } from './check-world.ts'

/** A candidate without an app around it. */
function subjectOf(provider: ProviderName, location: object, secrets: object, more: Partial<CheckSubject> = {}) {
  const kind: ProviderKind = providers[provider]
  const place = kind.location.parse(location)
  return {
    ...environment,
    provider,
    direction: 'IMPORT',
    prefix: kind.place(place).prefix,
    open: () => kind.open(place, kind.secrets.parse(secrets), environment),
    takes: () => true,
    readsTasks: false,
    recursive: true,
    presigns: false,
    publicEndpoint: false,
    ...more,
  } satisfies CheckSubject
}

describe('a storage that accepts connections and never answers', () => {
  let doors: Awaited<ReturnType<typeof startPorts>>
  beforeAll(async () => {
    doors = await startPorts()
  })
  afterAll(() => doors?.stop())

  const account = 'acct'
  it.for<[ProviderName, (port: number) => object, object]>([
    [
      'S3',
      (port) => ({ bucket: 'photos', endpoint: `http://127.0.0.1:${port}` }),
      { accessKeyId: 'a', secretAccessKey: 'b' },
    ],
    ['GCS', (port) => ({ bucket: 'photos', endpoint: `http://127.0.0.1:${port}`, anonymous: true }), {}],
    [
      'AZURE_BLOB',
      (port) => ({ account, container: 'photos', endpoint: `http://127.0.0.1:${port}/${account}` }),
      { accountKey: 'AAAA' },
    ],
    ['REDIS', (port) => ({ host: '127.0.0.1', port, db: 1 }), {}],
    ['REDIS', (port) => ({ host: '127.0.0.1', port, db: 1, tls: true }), { password: 'p' }],
  ])('fails REACH with TIMEOUT after the time limit of a step (%s)', async ([provider, location, secrets]) => {
    const subject = subjectOf(provider, location(doors.ports.silent), secrets)
    const steps = await checkConnection(subject, { stepTimeoutMs: 200 })
    expect(steps.filter(({ status }) => status === 'FAILED')).toMatchObject([
      { name: 'REACH', code: 'TIMEOUT', message: expect.any(String), hint: expect.any(String) },
    ])
  })
})

describe('an object that cannot be read', () => {
  const readable = new Set<string>()
  const reads: string[] = []
  /** The outcome of READ_OBJECT where all objects but the readable ones fail with this code. */
  const readStep = async (code: ErrorCode) => {
    reads.length = 0
    const objects = Array.from({ length: 30 }, (_, n) => ({ key: `k${n}`, size: 1, etag: null, lastModified: null }))
    const provider = {
      check: async () => {},
      list: async () => ({ objects, cursor: null }),
      read: async (key: string) => {
        reads.push(key)
        if (!readable.has(key)) throw new SluiceError(code)
        return { body: Readable.from([Buffer.from('{}')]) }
      },
      close: () => {},
    } as never
    const subject = subjectOf('REDIS', { host: 'cache' }, {}, { readsTasks: true, open: async () => provider })
    return (await checkConnection(subject)).find(({ name }) => name === 'READ_OBJECT')
  }

  it.for(['WRONG_TYPE', 'KEY_NOT_TEXT', 'OBJECT_MISSING', 'ARCHIVED', 'DENIED', 'KEY_HAS_DOT_SEGMENTS'] as const)(
    'is skipped by the check for a reason of its own (%s), at most ten times',
    async (code) => {
      readable.clear()
      expect(await readStep(code)).toMatchObject({ status: 'FAILED', code })
      expect(reads).toHaveLength(10)
      readable.add('k3')
      expect(await readStep(code)).toMatchObject({ status: 'OK' })
      expect(reads).toEqual(['k0', 'k1', 'k2', 'k3'])
    },
  )

  it('is skipped by the check for one far away, because the tries are spread over the page', async () => {
    readable.clear()
    readable.add('k29')
    expect(await readStep('ARCHIVED')).toMatchObject({ status: 'OK' })
    expect(reads).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k29'])
  })

  it('ends the check if the credentials are the reason', async () => {
    readable.clear()
    expect(await readStep('BAD_CREDENTIALS')).toMatchObject({ status: 'FAILED', code: 'BAD_CREDENTIALS' })
    expect(reads).toEqual(['k0'])
  })
})

describe('a signed URL', () => {
  const object = { key: 'a', size: 1, etag: null, lastModified: null }
  /** The outcome of PRESIGN for a provider that signs this URL. */
  const presign = async (url: string) => {
    const subject = subjectOf('S3', { bucket: 'photos' }, {}, { presigns: true })
    const provider = {
      check: async () => {},
      list: async () => ({ objects: [object], cursor: null }),
      presign: async () => new URL(url),
      close: () => {},
    } as never
    const steps = await checkConnection({ ...subject, open: async () => provider }, { stepTimeoutMs: 200 })
    return steps.find(({ name }) => name === 'PRESIGN')
  }

  it('of a check that leads to a closed port is CONNECTION_REFUSED', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await waitFor(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await waitFor(server, 'close')
    expect(await presign(`http://127.0.0.1:${port}/a`)).toMatchObject({ status: 'FAILED', code: 'CONNECTION_REFUSED' })
  })

  it('of a check that gets no response is TIMEOUT', async () => {
    const { ports, stop } = await startPorts()
    expect(await presign(`http://127.0.0.1:${ports.silent}/a`)).toMatchObject({ status: 'FAILED', code: 'TIMEOUT' })
    await stop()
  })
})

it('a check of disabled local files fails CONFIGURATION with LOCAL_FILES_DISABLED in both directions', async () => {
  for (const direction of ['IMPORT', 'EXPORT'] as const) {
    const [first] = await checkConnection(subjectOf('LOCAL_FILES', { path: 'in' }, {}, { direction }))
    expect(first).toMatchObject({ name: 'CONFIGURATION', status: 'FAILED', code: 'LOCAL_FILES_DISABLED' })
    expect(first?.hint).toContain('LOCAL_FILES_ROOT')
  }
})
