import { isCloudHost } from '../kit/cloud-hosts.ts'
import { defineProvider, targetsOf } from '../provider.ts'
import { abilities } from './abilities.ts'
import { accessPointRegion } from './bucket-arn.ts'
import { isDirectoryBucket } from './checksum.ts'
import { corsRule, hints } from './hints.ts'
import { boundTo, dialledEndpoint, location, secrets } from './location.ts'
import { addresses } from './web-address.ts'

/** Amazon S3 and services that speak its API. */
export const s3 = defineProvider({
  title: 'Amazon S3 and compatible',
  typeName: 'S3Location',
  inputName: 's3',
  uriScheme: 's3',
  uriAliases: ['s3a', 's3n'],
  canPresign: true,
  copyKeepsEtag: true,
  abilities,
  // Amazon S3, "Naming Amazon S3 objects".
  keyLimit: { max: 1_024, unit: 'bytes', per: 'key' },
  location,
  secrets,
  boundTo,
  // Amazon S3, "Error responses".
  archivedCode: 'InvalidObjectState',
  hints,
  corsRule,
  dependsOn: { sessionToken: ['accessKeyId', 'secretAccessKey'] },
  crossCheck(place, { accessKeyId, secretAccessKey, sessionToken }) {
    const faults = []
    if (accessKeyId && !secretAccessKey) {
      faults.push({ path: 'secretAccessKey', message: 'is missing: a key pair needs both halves' })
    }
    if (secretAccessKey && !accessKeyId) {
      faults.push({ path: 'accessKeyId', message: 'is missing: a key pair needs both halves' })
    }
    if (sessionToken && !accessKeyId && !secretAccessKey) {
      faults.push({ path: 'sessionToken', message: 'needs the key pair it belongs to' })
    }
    if (place.anonymous && (accessKeyId || secretAccessKey)) {
      faults.push({ path: 'anonymous', message: 'cannot be combined with a key pair' })
    }
    if (place.anonymous && place.requestPayer) {
      faults.push({ path: 'requestPayer', message: 'needs credentials, whose account pays: switch anonymous off' })
    }
    if (place.anonymous && place.roleArn) {
      faults.push({ path: 'roleArn', message: 'cannot be assumed without credentials: switch anonymous off' })
    }
    for (const path of ['externalId', 'stsEndpoint'] as const) {
      if (place[path] && !place.roleArn) faults.push({ path, message: 'is only used with roleArn' })
    }
    if (accessPointRegion(place.bucket)) {
      const message = 'cannot be combined with the ARN of an access point: enter its alias as the bucket'
      for (const path of ['endpoint', 'publicEndpoint'] as const) if (place[path]) faults.push({ path, message })
      if (place.addressing === 'PATH') faults.push({ path: 'addressing', message })
    }
    if (isDirectoryBucket(place.bucket)) {
      if (place.region === 'AUTO' && !place.endpoint) {
        faults.push({ path: 'region', message: 'is required for a directory bucket, because AUTO cannot detect it' })
      }
      // ListObjectsV2, "Directory buckets".
      if (!/^$|\/$/.test(place.prefix)) {
        faults.push({
          path: 'prefix',
          message: 'must end with / in a directory bucket, which lists whole folders only',
        })
      }
    }
    if (place.kmsKeyId && place.serverSideEncryption === 'AES256') {
      faults.push({ path: 'kmsKeyId', message: 'cannot be combined with AES256' })
    }
    return faults
  },
  ambient(place, { accessKeyId, secretAccessKey }) {
    if (place.anonymous || (accessKeyId && secretAccessKey)) return undefined
    const endpoints = [place.endpoint, place.publicEndpoint, place.stsEndpoint]
    const foreignEndpoints = endpoints.flatMap((url) => (url === undefined || isCloudHost('AWS', url) ? [] : [url]))
    return { provider: 'S3', path: [place.bucket, place.prefix], foreignEndpoints }
  },
  targets: (place) => targetsOf(dialledEndpoint(place), place.stsEndpoint),
  sendsDotSegments: ({ endpoint, publicEndpoint }) =>
    isCloudHost('AWS', endpoint) && isCloudHost('AWS', publicEndpoint),
  place: ({ endpoint = '', bucket, prefix }) => ({ endpoint, bucket, prefix }),
  addresses,
  open: async (place, keys, { egress, pace }) => (await import('./client.ts')).openS3(place, keys, egress, pace),
})
