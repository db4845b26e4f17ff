import { isIP } from 'node:net'
import { z } from 'zod'
import { type BoundParts, canonicalUrl } from '../binding.ts'
import { apiUrl, bareName, headerText } from '../fields.ts'
import { arnFault, canonicalBucket } from './bucket-arn.ts'

/** RFC 1123 §2.1. */
export const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

const nameFault = 'a bucket name has no slash, space, control character or any of ?#@\\; put the folder into prefix'

/** Location and settings of an S3 storage. */
export const location = z.strictObject({
  bucket: z
    .string()
    .overwrite(bareName('s3', 's3a', 's3n'))
    .overwrite(canonicalBucket)
    .min(3, 'a bucket name has at least 3 characters')
    .max(255)
    .superRefine((text, context) => {
      const message = text.startsWith('arn:')
        ? arnFault(text)
        : /^[^/\s\p{Cc}?#@\\]+$/u.test(text)
          ? undefined
          : nameFault
      if (message) context.addIssue({ code: 'custom', message })
    })
    .meta({
      title: 'Bucket',
      description:
        'Name of the bucket, without a path, or the ARN of the bucket or of an access point. s3://name is accepted too.',
      placeholder: 'my-images',
    }),
  prefix: z.string().max(1024).default('').meta({
    title: 'Prefix',
    description:
      'Sluice uses only keys that start with this text. End it with / to select a folder. Wildcards have no meaning here.',
    placeholder: 'photos/2026/',
  }),
  // The region becomes part of host names.
  region: z.string().regex(dnsLabel, 'must be one DNS label: letters, digits and hyphens').default('AUTO').meta({
    title: 'Region',
    description: 'Region of the bucket. AUTO detects the region on AWS and uses us-east-1 elsewhere.',
    placeholder: 'AUTO',
  }),
  endpoint: apiUrl().optional().meta({
    title: 'Endpoint',
    description: 'URL of the S3 API of a compatible service. Empty: AWS.',
    placeholder: 'https://s3.example.com',
  }),
  publicEndpoint: apiUrl().optional().meta({
    title: 'Public endpoint',
    description: 'URL at which browsers reach the same API. Presigned URLs use it. Empty: the endpoint.',
  }),
  addressing: z
    .enum(['AUTO', 'PATH', 'VHOST'])
    .default('AUTO')
    .meta({
      title: 'Addressing',
      description: 'Position of the bucket name in URLs. AUTO uses VHOST on AWS and PATH elsewhere.',
      choices: {
        AUTO: 'VHOST on AWS, PATH with another endpoint.',
        PATH: 'In the path: https://endpoint/bucket/key.',
        VHOST: 'In the host name: https://bucket.endpoint/key.',
      },
    }),
  anonymous: z.boolean().default(false).meta({
    title: 'Anonymous',
    description: 'Send requests without credentials, for public buckets.',
  }),
  requestPayer: z.boolean().default(false).meta({
    title: 'Requester pays',
    description:
      'The account of the credentials pays for requests and downloads. Buckets with Requester Pays require this.',
  }),
  roleArn: z
    .string()
    .regex(/^arn:[\w-]+:iam::\w*:role\/[\w+=,.@/-]+$/, 'must look like arn:aws:iam::123456789012:role/name')
    .optional()
    .meta({
      title: 'Role',
      description: 'ARN of a role that Sluice assumes, with the key pair or with the credentials of the server.',
      placeholder: 'arn:aws:iam::123456789012:role/name',
    }),
  externalId: z
    .string()
    .regex(/^[\w+=,.@:/-]{2,1224}$/, 'has 2 to 1,224 letters, digits and _+=,.@:/-')
    .optional()
    .meta({
      title: 'External ID',
      description: 'Value of sts:ExternalId that the trust policy of the role requires.',
    }),
  stsEndpoint: apiUrl().optional().meta({
    title: 'STS endpoint',
    description: 'URL of the STS API that issues the credentials of the role. Empty: AWS.',
  }),
  serverSideEncryption: z
    .enum(['NONE', 'AES256', 'KMS'])
    .default('NONE')
    .meta({
      title: 'Encryption',
      description: 'Server-side encryption of the objects that Sluice writes.',
      choices: {
        NONE: 'The default encryption of the bucket.',
        AES256: 'Encryption with keys that the storage manages (SSE-S3).',
        KMS: 'Encryption with a KMS key (SSE-KMS): `kmsKeyId`, or the default key of the account.',
      },
    }),
  kmsKeyId: headerText().max(2048).optional().meta({
    title: 'KMS key',
    description: 'ID, ARN or alias of the KMS key for encryption. A value implies KMS.',
  }),
})

/** Credentials of an S3 storage. */
export const secrets = z.strictObject({
  accessKeyId: headerText().optional().meta({
    title: 'Access key ID',
    description: 'ID of the access key. Empty: the credentials of the server (environment, profile, instance role).',
  }),
  secretAccessKey: z.string().min(1).optional().meta({
    title: 'Secret access key',
    description: 'Secret of the access key.',
  }),
  sessionToken: headerText().optional().meta({
    title: 'Session token',
    description: 'Session token. Only needed for temporary credentials.',
  }),
})

export type S3Location = z.infer<typeof location>
export type S3Secrets = z.infer<typeof secrets>

/** The endpoint with the host that receives object requests. With VHOST, the bucket precedes the host, as in the SDK. */
export function dialledEndpoint({ endpoint, bucket, addressing }: S3Location): string | undefined {
  if (!endpoint || addressing !== 'VHOST' || !/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(bucket)) return endpoint
  const url = new URL(endpoint)
  if (isIP(url.hostname.replace(/^\[|\]$/g, ''))) return endpoint
  url.hostname = `${bucket}.${url.hostname}`
  return url.href
}

/** The endpoints receive signatures and session tokens. The role decides what the key pair is used for. */
export const boundTo: BoundParts<S3Location> = {
  endpoint: ({ endpoint }) => canonicalUrl(endpoint),
  publicEndpoint: ({ endpoint, publicEndpoint }) =>
    canonicalUrl(publicEndpoint) === canonicalUrl(endpoint) ? '' : canonicalUrl(publicEndpoint),
  stsEndpoint: ({ stsEndpoint }) => canonicalUrl(stsEndpoint),
  roleArn: ({ roleArn = '' }) => roleArn,
}
