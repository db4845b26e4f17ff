import { z } from 'zod'
import { type BoundParts, canonicalUrl } from '../binding.ts'
import { apiUrl, bareName } from '../fields.ts'
import { readServiceAccount } from './service-account.ts'

/** Location and settings of a storage in Google Cloud. */
export const location = z.strictObject({
  bucket: z
    .string()
    .overwrite(bareName('gs', 'gcs'))
    .min(3, 'a bucket name has at least 3 characters')
    .max(222)
    // Cloud Storage documentation, "Bucket name requirements".
    .regex(
      /^[a-z0-9][a-z0-9._-]*[a-z0-9]$/,
      'a bucket name holds lowercase letters, digits, dashes, underscores and dots only; put the folder into prefix',
    )
    .meta({
      title: 'Bucket',
      description: 'Name of the bucket, without a path. gs://name is accepted too.',
      placeholder: 'my-images',
    }),
  prefix: z.string().max(1024).default('').meta({
    title: 'Prefix',
    description:
      'Sluice uses only keys that start with this text. End it with / to select a folder. Wildcards have no meaning here.',
    placeholder: 'photos/2026/',
  }),
  projectId: z
    .string()
    .regex(/^[a-z0-9.:-]{1,100}$/, 'a project ID holds lowercase letters, digits, dashes, dots and colons only')
    .optional()
    .meta({
      title: 'Project ID',
      description: 'Google Cloud project to bill. Only needed for a bucket with Requester Pays.',
      placeholder: 'my-project-123',
    }),
  endpoint: apiUrl().optional().meta({
    title: 'Endpoint',
    description: 'URL of a private endpoint or an emulator. Presigned URLs use it, too. Empty: Google Cloud Storage.',
    placeholder: 'https://storage.googleapis.com',
  }),
  anonymous: z.boolean().default(false).meta({
    title: 'Anonymous',
    description: 'Send requests without credentials, for public buckets and emulators.',
  }),
})

/** Credentials of a storage in Google Cloud. */
export const secrets = z.strictObject({
  serviceAccountJson: z
    .string()
    .max(20_000)
    .optional()
    .superRefine((text, context) => {
      const read = text === undefined ? undefined : readServiceAccount(text)
      if (read && 'fault' in read) context.addIssue({ code: 'custom', message: read.fault })
    })
    .meta({
      title: 'Service account key',
      description:
        'Content of the JSON key file of a service account. Empty: the credentials of the server (Application Default Credentials).',
    }),
})

export type GcsLocation = z.infer<typeof location>
export type GcsSecrets = z.infer<typeof secrets>

export const googleEndpoint = 'https://storage.googleapis.com'

/** The endpoint receives access tokens. The key itself is sent nowhere, and its `token_uri` is part of the secret. */
export const boundTo: BoundParts<GcsLocation> = {
  endpoint: ({ endpoint }) => canonicalUrl(endpoint ?? googleEndpoint),
}

/**
 * Whether `endpoint` is Google's own API, at its public host or a private one (Private Service Connect,
 * restricted.googleapis.com).
 */
export function isGoogle(endpoint: string): boolean {
  const { protocol, hostname, port, pathname } = new URL(endpoint)
  return protocol === 'https:' && port === '' && pathname === '/' && `.${hostname}`.endsWith('.googleapis.com')
}
