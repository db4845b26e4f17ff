import { isCloudHost } from '../kit/cloud-hosts.ts'
import { hostsOf, keyInHost, keyInPath, type WebAddress } from '../web-address.ts'
import type { S3Location } from './location.ts'

// "Amazon S3 endpoints and quotas", with the older form s3-<region> and transfer acceleration.
const awsHost =
  /^s3(?:-fips|-accelerate|-external-1)?(?:\.dualstack)?(?:[.-]([a-z]{2}(?:-[a-z]+)+-\d+))?\.amazonaws\.com(\.cn)?$/

/** Bucket names are unique within each of these groups of regions ("General purpose bucket naming rules"). */
const partitionOf = (region: string) => /^(?:cn|us-gov|us-iso)/.exec(region)?.[0] ?? ''

/** Addresses in path style and virtual-hosted style. */
export const addresses = {
  hosts: ({ endpoint, publicEndpoint }: S3Location) => [
    ...hostsOf(endpoint, publicEndpoint),
    ...(isCloudHost('AWS', endpoint) ? ['amazonaws.com'] : []),
  ],
  encodedKeyIn,
}

function encodedKeyIn(place: S3Location, address: WebAddress): string | undefined {
  const { bucket, endpoint, publicEndpoint } = place
  for (const url of [endpoint, publicEndpoint]) {
    const key = url && (keyInPath(address, url, bucket) ?? keyInHost(address, url, bucket))
    if (key !== undefined && key !== '') return isCloudHost('AWS', url) ? spaced(key) : key
  }
  return isCloudHost('AWS', endpoint) ? keyOnAws(place, address) : undefined
}

function keyOnAws({ bucket, region, endpoint }: S3Location, address: WebAddress): string | undefined {
  const { protocol, host } = address
  const owner = `${bucket.toLowerCase()}.`
  const isInHost = host.startsWith(owner) && awsHost.test(host.slice(owner.length))
  const [, named = '', china] = awsHost.exec(isInHost ? host.slice(owner.length) : host) ?? []
  const own = region === 'AUTO' ? (endpoint && awsHost.exec(new URL(endpoint).host)?.[1]) || '' : region
  if (partitionOf(named || (china ? 'cn' : '')) !== partitionOf(own)) return undefined
  const key = isInHost
    ? address.path.slice(1)
    : awsHost.test(host)
      ? keyInPath(address, `${protocol}//${host}`, bucket)
      : undefined
  return key === undefined ? undefined : spaced(key)
}

/** AWS reads a plus sign in a path as a space, and its console writes spaces so. */
const spaced = (key: string) => key.replaceAll('+', '%20')
