import { z } from 'zod'
import { type BoundParts, canonicalUrl } from '../binding.ts'
import { apiUrl, bareName, headerText } from '../fields.ts'

/** Location and settings of an Azure Blob storage. */
export const location = z.strictObject({
  account: z
    .string()
    .regex(/^[a-z0-9]{3,24}$/, 'an account name has 3 to 24 lower-case letters and digits')
    .meta({
      title: 'Storage account',
      description: 'Name of the storage account, without a domain.',
      placeholder: 'mycompany',
    }),
  // Azure, "Naming and Referencing Containers, Blobs, and Metadata".
  container: z
    .string()
    .overwrite(bareName('azure-blob'))
    .regex(
      /^(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$|^\$(?:root|web|logs)$/,
      'a container name has 3 to 63 lower-case letters, digits and single hyphens; put the folder into prefix',
    )
    .meta({
      title: 'Container',
      description: 'Name of the container, without a path; azure-blob://name is accepted too.',
      placeholder: 'my-images',
    }),
  prefix: z.string().max(1024).default('').meta({
    title: 'Prefix',
    description:
      'Sluice uses only keys that start with this text. End it with / to select a folder. Wildcards have no meaning here.',
    placeholder: 'photos/2026/',
  }),
  endpoint: apiUrl('must be the address alone: a SAS token goes into its own field').optional().meta({
    title: 'Endpoint',
    description:
      'URL of the blob service. For an emulator, the account is part of the path. Empty: https://<account>.blob.core.windows.net.',
    placeholder: 'http://127.0.0.1:10000/devstoreaccount1',
  }),
  tenantId: z
    .string()
    .regex(/^[0-9A-Za-z.-]+$/, 'must be the id or the domain of a tenant')
    .optional()
    .meta({
      title: 'Tenant ID',
      description: 'Directory (tenant) ID of a service principal.',
      placeholder: '00000000-0000-0000-0000-000000000000',
    }),
  clientId: headerText().optional().meta({
    title: 'Client ID',
    description: 'Application (client) ID of a service principal.',
    placeholder: '00000000-0000-0000-0000-000000000000',
  }),
  anonymous: z.boolean().default(false).meta({
    title: 'Anonymous',
    description: 'Send requests without credentials, for containers with the public access level Container.',
  }),
})

/** Credentials of an Azure Blob storage. At most one may be set. */
export const secrets = z.strictObject({
  accountKey: z
    .string()
    .regex(
      /^(?:[A-Za-z0-9+/]{4})+$|^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/,
      'is not valid base64: copy the whole key, without the connection string around it',
    )
    .optional()
    .meta({
      title: 'Account key',
      description:
        'One of the two access keys of the account. If no secret is set, Sluice uses the credentials of the server: environment, workload or managed identity, Azure CLI.',
    }),
  sasToken: z
    .string()
    .regex(/^\??(?:[^?#\s]*&)?sig=[^?#\s]+$/, 'must be the part of a SAS URL after the ?, including sig=')
    .regex(/^[\x21-\x7e]*$/, 'must be ASCII without spaces or control characters')
    .optional()
    .meta({
      title: 'SAS token',
      description:
        'Shared access signature of the account or the container, with or without the leading ?. The server then streams objects, so that no link contains the token.',
    }),
  clientSecret: headerText().optional().meta({
    title: 'Client secret',
    description: 'Secret of the service principal that tenant ID and client ID name.',
  }),
})

export type AzureLocation = z.infer<typeof location>
export type AzureSecrets = z.infer<typeof secrets>

/** The endpoint receives signatures, SAS tokens and bearer tokens. A key belongs to one account. */
export const boundTo: BoundParts<AzureLocation> = {
  account: ({ account }) => account,
  endpoint({ account, endpoint }) {
    const url = canonicalUrl(endpoint)
    return url === serviceUrl({ account, endpoint: undefined }) ? '' : url
  },
}

/** URL of the account's blob service, without a trailing slash. */
export function serviceUrl({ account, endpoint }: Pick<AzureLocation, 'account' | 'endpoint'>): string {
  return endpoint?.replace(/\/+$/, '') ?? `https://${account}.blob.core.windows.net`
}

/**
 * Returns the blob endpoint of an account if `endpoint` is another endpoint of it: Data Lake (`dfs`), Files, Queue, Table or a
 * static website ("Azure Storage endpoints"). Returns undefined for all other endpoints.
 */
export function blobEndpointFor(endpoint: string): string | undefined {
  const url = new URL(endpoint)
  const service = /^([a-z0-9-]+)\.(?:privatelink\.)?(?:z\d+\.)?(?:dfs|file|queue|table|web)\.(.*)$/.exec(url.hostname)
  if (
    !service ||
    !/(?:^|\.)(?:core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|storage\.azure\.net)$/.test(service[2]!)
  ) {
    return undefined
  }
  return `https://${service[1]}.blob.${service[2]}`
}

/** Whether a URL is the blob service of the account in one of Microsoft's clouds ("Azure Storage endpoints"). */
export function isAzure(url: string, account: string): boolean {
  const { protocol, hostname, port, pathname } = new URL(url)
  const clouds = ['core.windows.net', 'core.usgovcloudapi.net', 'core.chinacloudapi.cn']
  const isOwn = clouds.some((cloud) => hostname === `${account}.blob.${cloud}`)
  return protocol === 'https:' && port === '' && pathname === '/' && isOwn
}
