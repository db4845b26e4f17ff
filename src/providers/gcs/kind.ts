import { defineProvider } from '../provider.ts'
import { hints } from './hints.ts'
import { isGoogle, location, secrets } from './location.ts'

/** Google Cloud Storage. */
export const gcs = defineProvider({
  title: 'Google Cloud Storage',
  typeName: 'GcsLocation',
  inputName: 'gcs',
  uriScheme: 'gs',
  canPresign: true,
  location,
  secrets,
  hints,
  crossCheck({ anonymous, endpoint }, { serviceAccountJson }) {
    if (anonymous && serviceAccountJson) {
      return [{ path: 'anonymous', message: 'cannot be combined with a service account key' }]
    }
    if (endpoint && !isGoogle(endpoint) && !anonymous && !serviceAccountJson) {
      const message =
        "is missing: the server's own Google credentials go to googleapis.com only; with this endpoint give a key, or choose anonymous"
      return [{ path: 'serviceAccountJson', message }]
    }
    return []
  },
  place: ({ endpoint = '', bucket, prefix }) => ({ endpoint, bucket, prefix }),
  open: async (place, keys) => (await import('./client.ts')).openGcs(place, keys),
})
