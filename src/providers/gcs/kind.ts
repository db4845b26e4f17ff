import { isCloudHost } from '../kit/cloud-hosts.ts'
import { defineProvider, targetsOf } from '../provider.ts'
import { abilities } from './abilities.ts'
import { corsRule, hints } from './hints.ts'
import { boundTo, isGoogle, location, secrets } from './location.ts'
import { readServiceAccount } from './service-account.ts'
import { addresses } from './web-address.ts'

/** Google Cloud Storage. */
export const gcs = defineProvider({
  title: 'Google Cloud Storage',
  typeName: 'GcsLocation',
  inputName: 'gcs',
  uriScheme: 'gs',
  uriAliases: ['gcs'],
  canPresign: true,
  abilities,
  // Cloud Storage, "Object name requirements".
  keyLimit: { max: 1_024, unit: 'bytes', per: 'key' },
  location,
  secrets,
  boundTo,
  hints,
  corsRule,
  crossCheck({ anonymous, endpoint }, { serviceAccountJson }) {
    if (anonymous && serviceAccountJson) {
      return [{ path: 'anonymous', message: 'cannot be combined with a service account key' }]
    }
    if (endpoint && !isGoogle(endpoint) && !anonymous && !serviceAccountJson) {
      const message =
        "is missing: the server's own Google credentials are sent only to googleapis.com; with this endpoint give a key, or choose anonymous"
      return [{ path: 'serviceAccountJson', message }]
    }
    return []
  },
  ambient({ anonymous, endpoint, bucket, prefix }, { serviceAccountJson }) {
    if (anonymous || serviceAccountJson !== undefined) return undefined
    const foreignEndpoints = endpoint && !isGoogle(endpoint) ? [endpoint] : []
    return { provider: 'GCS', path: [bucket, prefix], foreignEndpoints }
  },
  sendsDotSegments: ({ endpoint }) => isCloudHost('GOOGLE', endpoint),
  // The key file names the server that issues its tokens.
  targets: ({ endpoint }, { serviceAccountJson }) => targetsOf(endpoint, tokenUriOf(serviceAccountJson)),
  place: ({ endpoint = '', bucket, prefix }) => ({ endpoint, bucket, prefix }),
  addresses,
  open: async (place, keys, { egress, pace }) => (await import('./client.ts')).openGcs(place, keys, egress, { pace }),
})

function tokenUriOf(serviceAccountJson: string | undefined): string | undefined {
  const read = serviceAccountJson === undefined ? undefined : readServiceAccount(serviceAccountJson)
  return read && 'account' in read ? read.account.token_uri : undefined
}
