import { ContainerSASPermissions } from '@azure/storage-blob'
import { startAzure } from '@sluice/testkit/azure.ts'
import { startAzureFront } from '@sluice/testkit/azure-front.ts'
import type { Situation } from './check-table.ts'
import type { World } from './check-world.ts'

/** A container of Azurite, which checks keys and SAS. */
async function start({ ports }: World) {
  const server = await startAzure()
  const front = await startAzureFront(server.endpoint)
  const { account, accountKey } = server
  const container = await server.createContainer('photos')
  await container.getBlockBlobClient('in/a.json').upload('{"n":1}', 7)
  const location = (more: object = {}) => ({
    azureBlob: { account, container: 'photos', prefix: 'in/', endpoint: server.endpoint, accountKey, ...more },
  })
  return {
    ports,
    account,
    server,
    front,
    location,
    /** A SAS for these letters of permission. */
    async sas(letters: string, { expiresOn = new Date(Date.now() + 3_600_000) } = {}) {
      const permissions = ContainerSASPermissions.parse(letters)
      const url = await container.generateSasUrl({ permissions, expiresOn, startsOn: new Date(0) })
      return { accountKey: null, sasToken: new URL(url).search }
    },
    async keys() {
      const names: string[] = []
      for await (const { name } of container.listBlobsFlat()) names.push(name)
      return names
    },
    async stop() {
      await front.stop()
      await server.stop()
    },
  }
}

type Place = Awaited<ReturnType<typeof start>>
const at = (more: (place: Place) => object | Promise<object>) => async (place: Place) => ({
  location: place.location(await more(place)),
})
const onPort =
  (scheme: 'http' | 'https', port: 'closed' | 'website' | 'selfSigned') =>
  ({ account, ports }: Place) => ({ endpoint: `${scheme}://127.0.0.1:${ports[port]}/${account}` })

const situations: Situation<Place>[] = [
  [
    'another account key',
    'AUTHENTICATE',
    'BAD_CREDENTIALS',
    at(() => ({ accountKey: Buffer.alloc(64, 7).toString('base64') })),
  ],
  [
    'a SAS with another signature',
    'AUTHENTICATE',
    'BAD_CREDENTIALS',
    at(async ({ sas }) => {
      const { sasToken } = await sas('rl')
      return { accountKey: null, sasToken: sasToken.replace(/sig=[^&]+/, `sig=${'A'.repeat(43)}%3D`) }
    }),
  ],
  [
    'a SAS that has expired',
    'AUTHENTICATE',
    'BAD_CREDENTIALS',
    at(({ sas }) => sas('rl', { expiresOn: new Date(Date.now() - 3_600_000) })),
  ],
  ['a SAS that may not list', 'OPEN', 'DENIED', at(({ sas }) => sas('r'))],
  ['a container that is not public, anonymously', 'OPEN', 'DENIED', at(() => ({ accountKey: null, anonymous: true }))],
  [
    'a SAS that may not read',
    'READ_OBJECT',
    'DENIED',
    async (place) => ({ location: place.location(await place.sas('l')), importMethod: 'TASKS' }),
  ],
  [
    'a SAS that may not write',
    'WRITE_OBJECT',
    'DENIED',
    async (place) => ({ location: place.location(await place.sas('rl')), direction: 'EXPORT' }),
  ],
  [
    'a signature that is refused',
    'PRESIGN',
    'DENIED',
    (place) => {
      const match = ({ url = '' }) => url.includes('in/a.json')
      place.front.fail({ times: Infinity, status: 403, code: 'AuthorizationFailure', match })
      return { location: place.location({ endpoint: place.front.endpoint }) }
    },
  ],
  ['no such container', 'OPEN', 'NO_SUCH_BUCKET', at(() => ({ container: 'not-there' }))],
  ['an empty prefix', 'FIND_OBJECT', 'EMPTY_PREFIX', at(() => ({ prefix: 'IN/' }))],
  ['an unknown host', 'REACH', 'UNRESOLVABLE_HOST', at(() => ({ endpoint: 'https://blob.nowhere.invalid' }))],
  [
    'an address that is blocked',
    'EGRESS',
    'BLOCKED_ADDRESS',
    at(({ account }) => ({ endpoint: `http://169.254.169.254/${account}` })),
  ],
  ['a closed port', 'REACH', 'CONNECTION_REFUSED', at(onPort('http', 'closed'))],
  [
    'https to a port for http',
    'REACH',
    'TLS_FAILED',
    at(({ server }) => ({ endpoint: server.endpoint.replace('http:', 'https:') })),
  ],
  ['a certificate that nobody signed', 'REACH', 'TLS_FAILED', at(onPort('https', 'selfSigned'))],
  ["a website's address", 'REACH', 'CONSOLE_URL', at(onPort('http', 'website'))],
  [
    'a storage that is overrun',
    'REACH',
    'THROTTLED',
    (place) => {
      const match = ({ url = '' }) => url.includes('/overrun')
      place.front.fail({ times: Infinity, status: 503, code: 'ServerBusy', match })
      return { location: place.location({ endpoint: place.front.endpoint, container: 'overrun' }) }
    },
  ],
]

export const azureChecks = {
  provider: 'AZURE_BLOB',
  start,
  situations,
  invalid: [
    [
      'a client secret without its tenant',
      'azureBlob.tenantId',
      ({ location }: Place) =>
        location({ accountKey: null, clientSecret: 'x', clientId: 'c', endpoint: 'https://blob.nowhere.invalid' }),
    ],
    [
      'a connection string for a key',
      'azureBlob.accountKey',
      ({ location }: Place) => location({ accountKey: 'AccountName=x;AccountKey=y' }),
    ],
    [
      'a whole URL for a SAS',
      'azureBlob.sasToken',
      ({ location }: Place) => location({ accountKey: null, sasToken: 'https://x/?sig=y' }),
    ],
  ] as [string, string, (place: Place) => Record<string, unknown>][],
  good: (place: Place) => ({ location: place.location(), keys: place.keys }),
  presigns: true,
  tellsTime: true,
}
