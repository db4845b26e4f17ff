import { generateKeyPairSync } from 'node:crypto'
import { vi } from 'vitest'
import type { Provider, ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'
import type { Egress } from '../../src/security/egress.ts'
import { targetOf } from '../../src/security/egress-policy.ts'
import { fetchSigned } from '../../src/storages/fetch-signed.ts'
import { post } from '../../src/webhooks/post.ts'

/** A client that has been opened; each use of it sends a request to the host that it was told, on a new connection if need be. */
export interface OpenClient {
  use(): Promise<unknown>
  close(): void
}

/** One way by which the server connects to a host that a user names. */
export interface EgressClient {
  name: string
  /** Opens the client for a host, as it stands in a URL. Rejects if the input check or the early check refuses it. */
  open(host: string, egress: Egress): Promise<OpenClient>
  /** The names that it may resolve, where these differ from the host that was entered. */
  dials?: (host: string) => string[]
  /** How it reports a refused connection, if not as BLOCKED_ADDRESS. */
  code?: string
  /** The kind of storage that connects by it; none for a client of something else. */
  kind?: ProviderName
  /** By what a server could lead it elsewhere, if not by an HTTP status. */
  redirects?: readonly string[]
}

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const private_key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const keyPair = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' }
/** A host of documentation, which every resolver of the table knows as public. */
export const elsewhere = 'elsewhere.test'

/** Opens a storage as the server does: input check, early check, client. */
async function openStorage(
  name: ProviderName,
  { location, secrets = {}, egress }: { location: object; secrets?: object; egress: Egress },
): Promise<Provider> {
  const kind: ProviderKind = providers[name]
  const place = kind.location.parse(location)
  const keys = kind.secrets.parse(secrets)
  await egress.allow(kind.targets(place, keys))
  return kind.open(place, keys, { egress })
}

type Use = (provider: Provider) => Promise<unknown>
const check: Use = (provider) => provider.check()
const read: Use = (provider) => provider.read('key')
const write: Use = (provider) => provider.write('key', Buffer.from('body'))

function storage(
  name: string,
  kind: ProviderName,
  {
    at,
    use = check,
    ...more
  }: { at: (host: string) => { location: object; secrets?: object }; use?: Use } & Pick<
    EgressClient,
    'dials' | 'redirects'
  >,
): EgressClient {
  return {
    ...{ name, kind, ...more },
    async open(host, egress) {
      const provider = await openStorage(kind, { ...at(host), egress })
      return { use: () => use(provider), close: () => provider.close() }
    },
  }
}

const s3At = (host: string, more: object = {}) => ({
  location: { bucket: 'metabucket', endpoint: `http://${host}`, region: 'us-east-1', ...more },
  secrets: keyPair,
})

/** The operator names the host that signs in principals; a user names the tenant, which is part of the path. */
const entra: EgressClient = {
  name: 'Azure Entra',
  kind: 'AZURE_BLOB',
  dials: () => ['entra.test', 'login.microsoftonline.com'],
  code: 'BLOCKED_ADDRESS',
  async open(host, egress) {
    vi.stubEnv('AZURE_AUTHORITY_HOST', 'https://entra.test')
    const location = { account: 'account', container: 'container', endpoint: `https://${elsewhere}/account` }
    const principal = { tenantId: host.replace(/[^\w.-]/g, '-'), clientId: '11111111-2222-3333-4444-555555555555' }
    const provider = await openStorage('AZURE_BLOB', {
      ...{ location: { ...location, ...principal }, secrets: { clientSecret: 'secret' }, egress },
    })
    return { use: () => provider.check(), close: () => provider.close() }
  },
}

export const clients: EgressClient[] = [
  storage('S3 list', 'S3', { at: s3At }),
  storage('S3 read', 'S3', { at: s3At, use: read }),
  storage('S3 write', 'S3', { at: s3At, use: write }),
  storage('S3 virtual host', 'S3', {
    at: (host) => s3At(host, { addressing: 'VHOST' }),
    dials: (host) => [`metabucket.${host}`],
  }),
  storage('S3 virtual host read', 'S3', {
    at: (host) => s3At(host, { addressing: 'VHOST' }),
    use: read,
    dials: (host) => [`metabucket.${host}`],
  }),
  storage('STS', 'S3', {
    at: (host) => s3At(elsewhere, { roleArn: 'arn:aws:iam::123456789012:role/reader', stsEndpoint: `http://${host}` }),
  }),
  storage('GCS list', 'GCS', {
    at: (host) => ({ location: { bucket: 'bucket', endpoint: `http://${host}`, anonymous: true } }),
  }),
  storage('GCS read', 'GCS', {
    at: (host) => ({ location: { bucket: 'bucket', endpoint: `http://${host}`, anonymous: true } }),
    use: read,
  }),
  storage('GCS write', 'GCS', {
    at: (host) => ({ location: { bucket: 'bucket', endpoint: `http://${host}`, anonymous: true } }),
    use: write,
  }),
  storage('GCS token_uri', 'GCS', {
    at: (host) => ({
      location: { bucket: 'bucket', endpoint: `http://${elsewhere}` },
      secrets: {
        serviceAccountJson: JSON.stringify({
          ...{ type: 'service_account', client_email: 'reader@project.iam.gserviceaccount.com', private_key },
          token_uri: `http://${host}/token`,
        }),
      },
    }),
  }),
  storage('Azure Blob list', 'AZURE_BLOB', {
    at: (host) => ({
      location: { account: 'account', container: 'container', endpoint: `http://${host}/account`, anonymous: true },
    }),
  }),
  storage('Azure Blob read', 'AZURE_BLOB', {
    at: (host) => ({
      location: { account: 'account', container: 'container', endpoint: `http://${host}/account` },
      secrets: { accountKey: 'AAAA' },
    }),
    use: read,
  }),
  storage('Azure Blob write', 'AZURE_BLOB', {
    at: (host) => ({
      location: { account: 'account', container: 'container', endpoint: `http://${host}/account` },
      secrets: { accountKey: 'AAAA' },
    }),
    use: write,
  }),
  storage('Redis', 'REDIS', {
    at: (host) => ({ location: { host: host.replace(/^\[|\]$/g, ''), port: 6380 } }),
    redirects: ['MOVED', 'ASK'],
  }),
  storage('Redis with TLS', 'REDIS', {
    at: (host) => ({
      location: { host: host.replace(/^\[|\]$/g, ''), port: 6380, tls: true },
      secrets: { password: 'p' },
    }),
    redirects: ['MOVED', 'ASK'],
  }),
  {
    name: 'webhook',
    async open(host, egress) {
      const url = new URL(`http://${host}/hook`)
      await egress.allow([targetOf(url)])
      const signal = new AbortController().signal
      return {
        use: () =>
          post({ url: url.href, headers: {}, body: '{}', egress, timeoutSeconds: 20, signal }).then(({ status }) => {
            throw new Error(`The receiver answered ${status}.`)
          }),
        close() {},
      }
    },
  },
  {
    name: 'signed URL of a check',
    async open(host, egress) {
      const url = new URL(`http://${host}/bucket/key?X-Amz-Signature=1`)
      await egress.allow([targetOf(url)])
      return { use: () => fetchSigned(url, { egress, signal: AbortSignal.timeout(20_000) }), close() {} }
    },
  },
  entra,
]
