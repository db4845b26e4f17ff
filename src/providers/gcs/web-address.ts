import { hostsOf, keyInHost, keyInPath, type WebAddress } from '../web-address.ts'
import { type GcsLocation, isGoogle } from './location.ts'

// "Request endpoints": the XML API, and the address that the console shows.
const googleHosts = ['storage.googleapis.com', 'storage.cloud.google.com']

const hosts = ({ endpoint }: GcsLocation) => [
  ...hostsOf(endpoint),
  ...(endpoint === undefined || isGoogle(endpoint) ? googleHosts : []),
]

/** Addresses with the bucket in the path or in the host. */
export const addresses = {
  hosts,
  encodedKeyIn(place: GcsLocation, address: WebAddress): string | undefined {
    const { bucket, endpoint } = place
    for (const host of hosts(place)) {
      const base = googleHosts.includes(host) ? `${address.protocol}//${host}` : endpoint!
      const key = keyInPath(address, base, bucket) ?? keyInHost(address, base, bucket)
      if (key !== undefined) return key
    }
    return undefined
  },
}
