import type { FieldError } from '../../errors.ts'
import { defineProvider, targetsOf } from '../provider.ts'
import { hostsOf, keyInPath } from '../web-address.ts'
import { abilities } from './abilities.ts'
import { corsRule, hints } from './hints.ts'
import {
  type AzureLocation,
  type AzureSecrets,
  blobEndpointFor,
  boundTo,
  isAzure,
  location,
  secrets,
  serviceUrl,
} from './location.ts'

/** Microsoft Azure Blob Storage. */
export const azureBlob = defineProvider({
  title: 'Azure Blob Storage',
  typeName: 'AzureBlobLocation',
  inputName: 'azureBlob',
  uriScheme: 'azure-blob',
  canPresign: true,
  abilities,
  // Azure, "Naming and Referencing Containers, Blobs, and Metadata".
  keyLimit: { max: 1_024, unit: 'characters', per: 'key' },
  location,
  secrets,
  boundTo,
  // "Blob Storage error codes".
  archivedCode: 'BlobArchived',
  hints,
  corsRule,
  // A new way to sign in replaces the old one.
  supersedes: {
    accountKey: ['sasToken', 'clientSecret'],
    sasToken: ['accountKey', 'clientSecret'],
    clientSecret: ['accountKey', 'sasToken'],
  },
  crossCheck: faultsOf,
  ambient(place, { accountKey, sasToken, clientSecret }) {
    const { account, container, prefix, endpoint, anonymous, tenantId, clientId } = place
    if (anonymous || accountKey || sasToken || (clientSecret && tenantId && clientId)) return undefined
    const foreignEndpoints = endpoint && !isAzure(endpoint, account) ? [endpoint] : []
    return { provider: 'AZURE_BLOB', path: [account, container, prefix], foreignEndpoints }
  },
  targets: ({ endpoint }) => targetsOf(endpoint),
  // The SDK removes dot segments from the URL, so the request would address another blob.
  sendsDotSegments: () => false,
  place: (place) => ({ endpoint: serviceUrl(place), bucket: place.container, prefix: place.prefix }),
  addresses: {
    hosts: (place) => hostsOf(serviceUrl(place)),
    encodedKeyIn(place, address) {
      const service = serviceUrl(place)
      const base = isAzure(service, place.account) ? service.replace(/^https:/, address.protocol) : service
      return keyInPath(address, base, place.container)
    },
  },
  async open(place, secrets, { egress, pace }) {
    const [{ openAzureBlob }, { signIn }] = await Promise.all([import('./client.ts'), import('./sign-in.ts')])
    return openAzureBlob(place, await signIn(place, secrets, egress), egress, pace)
  },
})

function faultsOf(place: AzureLocation, secrets: AzureSecrets): FieldError[] {
  const given = [
    ...(['accountKey', 'sasToken', 'clientSecret'] as const).filter((name) => secrets[name]),
    ...(place.anonymous ? ['anonymous'] : []),
  ]
  const faults = given.slice(1).map((path) => ({ path, message: `cannot be combined with ${given[0]}` }))
  const principal = (['tenantId', 'clientId'] as const).filter((name) => place[name])
  if (secrets.clientSecret) {
    for (const path of ['tenantId', 'clientId'] as const) {
      if (!place[path]) faults.push({ path, message: 'is missing: a client secret belongs to a tenant and a client' })
    }
  } else if (given.length > 0) {
    faults.push(...principal.map((path) => ({ path, message: `cannot be combined with ${given[0]}` })))
  } else if (principal.length > 0) {
    faults.push({ path: 'clientSecret', message: 'is missing: a service principal signs in with it' })
  }
  const sendsToken = secrets.clientSecret || given.length === 0
  if (sendsToken && place.endpoint && new URL(place.endpoint).protocol === 'http:') {
    faults.push({ path: 'endpoint', message: 'must be https: only an account key or a SAS may go over plain http' })
  }
  const blobEndpoint = place.endpoint && blobEndpointFor(place.endpoint)
  if (blobEndpoint) {
    const message = `is another service of the account (Data Lake, Files, Queues, Tables or a website): enter the blob endpoint ${blobEndpoint}, or leave it empty`
    faults.push({ path: 'endpoint', message })
  }
  const { hostname = '', pathname = '' } = place.endpoint ? new URL(place.endpoint) : {}
  // Such a host does not contain the account, so the path must name it, as for emulators.
  if (/^(localhost|[\d.]+|\[.*\])$/.test(hostname) && pathname.replace(/\/+$/, '') !== `/${place.account}`) {
    faults.push({ path: 'endpoint', message: `must end in the account: …/${place.account}` })
  }
  return faults
}
