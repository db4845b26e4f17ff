import type { LookupAddress } from 'node:dns'
import { get } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { createEgress } from '../../src/security/egress.ts'
import type { EgressRules } from '../../src/security/egress-policy.ts'

const nothing: EgressRules = { isLocal: false, allowed: [], blocked: [] }
const answer = (...addresses: string[]): LookupAddress[] =>
  addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

/** The error of a check; undefined if the target is open. */
async function refusal(rules: Partial<EgressRules>, host: string, port = 443, addresses: string[] = []) {
  const egress = createEgress({ ...nothing, ...rules }, { resolve: async () => answer(...addresses) })
  return egress.allow([{ host, port, isHttp: true }]).then(
    () => undefined,
    (error) => `${error.code}: ${error.message}`,
  )
}

describe('the egress policy', () => {
  it('closes internal addresses if other machines can reach the server, and names the setting and the entry', async () => {
    expect(await refusal({}, '10.0.0.1', 9000)).toMatch(/^BLOCKED_ADDRESS: .*add 10\.0\.0\.1:9000 to .*EGRESS_ALLOWED/)
    expect(await refusal({}, '[::1]', 9000)).toContain('add [::1]:9000 to')
    expect(await refusal({}, 'minio', 9000, ['172.17.0.2'])).toContain('add minio:9000 to')
  })

  it('opens internal addresses in local mode', async () => {
    for (const host of ['127.0.0.1', '10.0.0.1', '100.64.0.1', 'fd12::1', '::1']) {
      expect(await refusal({ isLocal: true }, host)).toBeUndefined()
    }
  })

  it.each(['169.254.169.254', 'fd00:ec2::254', '0.0.0.0', '224.0.0.1', '::ffff:100.100.100.200'])(
    'never opens %s, in any mode and by any setting, and says so',
    async (host) => {
      for (const isLocal of [true, false]) {
        const error = await refusal({ isLocal, allowed: ['0.0.0.0/0', '::/0', host, `[${host}]:443`] }, host)
        expect(error).toMatch(/^BLOCKED_ADDRESS: .*No setting opens it/)
        expect(error).not.toContain('EGRESS_')
      }
    },
  )

  it.each([
    ['10.0.0.0/8', '10.1.2.3', 443],
    ['10.0.0.0/8', '::ffff:10.1.2.3', 443],
    ['::ffff:10.0.0.0/104', '10.1.2.3', 443],
    ['10.1.2.3', '10.1.2.3', 9000],
    ['10.1.2.3:9000', '0xa.1.2.3', 9000],
    ['[fd12::1]:9000', 'FD12:0::1', 9000],
    ['fd12::/16', 'fd12::1', 443],
    ['minio', 'MinIO.', 9000],
    ['MINIO:9000', 'minio', 9000],
  ])('EGRESS_ALLOWED=%s opens %s on port %i', async (entry, host, port) => {
    expect(await refusal({ allowed: [entry] }, host, port, ['10.9.9.9'])).toBeUndefined()
  })

  it.each([
    ['10.1.2.3:9000', '10.1.2.3', 9001],
    ['minio:9000', 'minio', 9001],
    ['minio', 'minio.example.com', 9000],
    ['minio', 'bucket.minio', 9000],
    ['10.0.0.0/8', '11.0.0.1.nip.test', 80],
  ])('EGRESS_ALLOWED=%s leaves %s on port %i closed', async (entry, host, port) => {
    expect(await refusal({ allowed: [entry] }, host, port, ['192.168.9.9'])).toContain('BLOCKED_ADDRESS')
  })

  it('EGRESS_BLOCKED closes in every mode and form, and EGRESS_ALLOWED does not reopen it', async () => {
    const rules = { blocked: ['10.0.0.0/8', '203.0.113.0/24'], allowed: ['10.0.0.0/8', 'minio'] }
    for (const isLocal of [true, false]) {
      for (const host of ['10.0.0.1', '203.0.113.9', '::ffff:10.0.0.1', '64:ff9b::10.0.0.1', '2002:cb00:7109::']) {
        expect(await refusal({ ...rules, isLocal }, host)).toMatch(/^BLOCKED_ADDRESS: .*EGRESS_BLOCKED/)
      }
      expect(await refusal({ ...rules, isLocal }, 'minio', 9000, ['10.0.0.1'])).toContain('EGRESS_BLOCKED')
    }
  })

  it('checks every address that a name has', async () => {
    expect(await refusal({}, 'mixed.test', 443, ['203.0.113.7', '2001:db8::1', '10.0.0.1'])).toContain(
      'BLOCKED_ADDRESS',
    )
    expect(await refusal({}, 'public.test', 443, ['203.0.113.7', '2001:db8::1'])).toBeUndefined()
  })

  it.each([25, 22, 6660, 10080, 0])('closes port %i to HTTP for good if browsers block it', async (port) => {
    const closed = port !== 6660
    const error = await refusal({ isLocal: true, allowed: ['storage.test'] }, 'storage.test', port, ['203.0.113.7'])
    closed ? expect(error).toMatch(/BLOCKED_ADDRESS: .*No setting opens it/) : expect(error).toBeUndefined()
    const egress = createEgress(nothing, { resolve: async () => answer('203.0.113.7') })
    await expect(egress.allow([{ host: 'storage.test', port, isHttp: false }])).resolves.toBeUndefined()
  })

  it('leaves a name without an address to the connection', async () => {
    const egress = createEgress(nothing)
    const targets = ['nowhere.invalid', '256.0.0.1', 'a b'].map((host) => ({ host, port: 443, isHttp: true }))
    await expect(egress.allow(targets)).resolves.toBeUndefined()
  })

  it('cannot be created from invalid settings', () => {
    expect(() => readConfig({ EGRESS_BLOCKED: '10.0.0.0/8,nonsense' })).toThrow('EGRESS_BLOCKED')
    expect(readConfig({ EGRESS_BLOCKED: ' 10.0.0.1 , ::/0 ' }).EGRESS_BLOCKED).toEqual(['10.0.0.1', '::/0'])
    for (const entry of ['10.0.0.0/33', 'http://minio', 'a/b', 'minio:', 'minio:9000000', '*.example.com', 'a@b']) {
      expect(() => readConfig({ EGRESS_ALLOWED: entry }), entry).toThrow('EGRESS_ALLOWED')
    }
    expect(readConfig({}).EGRESS_ALLOWED).toEqual([])
    expect(readConfig({}).EGRESS_BLOCKED).toEqual([])
  })
})

describe('connections through the egress layer', () => {
  const sockets: Socket[] = []
  const listener = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  let port = 0
  beforeAll(async () => {
    await waitFor(listener.listen(0, '127.0.0.1'), 'listening')
    port = (listener.address() as AddressInfo).port
  })
  afterAll(() => void listener.close())
  afterEach(() => void sockets.splice(0))

  it('go to an address that was checked, and no name is looked up twice for one connection', async () => {
    const names: string[] = []
    const resolve = async (name: string) => {
      names.push(name)
      return answer('127.0.0.1')
    }
    const egress = createEgress({ ...nothing, allowed: ['127.0.0.1'] }, { resolve })
    await waitFor(egress.connect({ host: 'Storage.TEST.', port, isHttp: true }), 'connect')
    await expect.poll(() => sockets.length).toBe(1)
    expect(names).toEqual(['storage.test'])
  })

  it('are refused before a packet is sent: TCP, TLS and requests, for names and addresses', async () => {
    const egress = createEgress(nothing, { resolve: async () => answer('127.0.0.1') })
    for (const host of ['127.0.0.1', 'rebound.test', '::1', '2130706433']) {
      const target = { host, port, isHttp: true }
      expect((await waitFor(egress.connect(target), 'error').catch((error) => [error]))[0].code).toBe('BLOCKED_ADDRESS')
      expect((await failureOf(egress.connect(target))).code).toBe('BLOCKED_ADDRESS')
      expect((await failureOf(egress.connectTls(target))).code).toBe('BLOCKED_ADDRESS')
      const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`
      const request = get(url, { agent: egress.agent('http:', { keepAlive: true }) })
      expect((await failureOf(request)).code).toBe('BLOCKED_ADDRESS')
    }
    expect(sockets).toEqual([])
  })

  it('cannot be led to a local socket by a path', async () => {
    const egress = createEgress(nothing, { resolve: async () => answer('127.0.0.1') })
    const request = get({ host: '127.0.0.1', port, socketPath: '/tmp/x', agent: egress.agent('http:') })
    expect((await failureOf(request)).code).toBe('BLOCKED_ADDRESS')
  })

  it('are checked again by a cached agent, which keeps its open connections', async () => {
    let address = '127.0.0.1'
    const egress = createEgress({ ...nothing, allowed: ['127.0.0.1'] }, { resolve: async () => answer(address) })
    const agent = egress.agent('http:', { keepAlive: false })
    const request = () => get({ host: 'storage.test', port, agent })
    const [response] = await waitFor(request(), 'response')
    response.resume()
    address = '127.0.0.2'
    expect((await failureOf(request())).code).toBe('BLOCKED_ADDRESS')
    expect(sockets).toHaveLength(1)
  })
})

const failureOf = (emitter: { once(name: 'error', listener: (error: Error & { code?: string }) => void): unknown }) =>
  new Promise<Error & { code?: string }>((resolve) => emitter.once('error', resolve))

describe('a closed address', () => {
  const url = 'http://127.0.0.1:9000'
  const locations = [
    { s3: { bucket: 'bucket', endpoint: url, accessKeyId: 'k', secretAccessKey: 's' } },
    { s3: { bucket: 'bucket', roleArn: 'arn:aws:iam::1:role/r', stsEndpoint: url } },
    { gcs: { bucket: 'bucket', endpoint: url, anonymous: true } },
    { azureBlob: { account: 'account', container: 'container', endpoint: `${url}/account`, anonymous: true } },
    { redis: { host: '127.0.0.1', db: 1 } },
  ]
  const apps: TestApp[] = []
  afterAll(() => Promise.all(apps.map((app) => app.stop())))

  it.each([
    ['EGRESS_BLOCKED', { EGRESS_BLOCKED: '127.0.0.0/8' }],
    ['EGRESS_ALLOWED', { HOST: '0.0.0.0', EGRESS_ALLOWED: '' }],
    ['EGRESS_ALLOWED', { SLUICE_ROLES: 'api', EGRESS_ALLOWED: '10.0.0.0/8' }],
  ])('fails the step EGRESS of a check that names %s, for every provider with a host (%o)', async (name, env) => {
    const app = await startTestApp(env)
    apps.push(app)
    const projectId = await createProject(app)
    for (const location of locations) {
      const made = await createStorage(app, { projectId, location })
      expect(made.steps, JSON.stringify(made)).toContainEqual(
        expect.objectContaining({
          ...{ name: 'EGRESS', status: 'FAILED', code: 'BLOCKED_ADDRESS' },
          message: expect.stringContaining(name),
        }),
      )
      expect(made.steps[0]).toMatchObject({ name: 'CONFIGURATION', status: 'OK' })
    }
  })
})
