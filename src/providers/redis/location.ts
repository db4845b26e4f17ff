import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { type BoundParts, encrypted } from '../binding.ts'
import { controlsRefused, hasNoControls } from '../fields.ts'

const bare = (host: string) => host.replace(/^\[(.*)\]$/, '$1')

/** Location and settings of a Redis storage. */
export const location = z.strictObject({
  host: z
    .string()
    .min(1, 'name the server')
    .max(255)
    .refine(
      (host) => isIPv6(bare(host)) || /^[^\s\p{Cc}/@:?#[\]\\]+$/u.test(host),
      'only the host name or address: no redis://, no port, no path',
    )
    // Normalized, because URIs contain the host and storages are compared by it.
    .transform((host) => bare(host).toLowerCase())
    .meta({
      title: 'Host',
      description:
        'Host name or IP address of a standalone Redis server. Sluice does not support clusters and sentinels.',
      placeholder: 'redis.example.com',
    }),
  port: z.int().min(1).max(65_535).default(6379).meta({
    title: 'Port',
    description: 'TCP port of the Redis server.',
    placeholder: '6379',
  }),
  db: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0)
    .meta({
      title: 'Database',
      description:
        'Number of the Redis database. An export storage cannot use 0, because other programs use it by default.',
      placeholder: '1',
    }),
  path: z
    .string()
    .max(1024)
    .refine((path) => path.isWellFormed() && hasNoControls(path), 'must be text without control characters')
    .default('')
    .meta({
      title: 'Path',
      description:
        'Sluice uses only keys that start with this text. End it with / to select a folder. Wildcards have no meaning here.',
      placeholder: 'photos/2026/',
    }),
  // A line break would start another command on servers that read lines, such as memcached and HTTP servers.
  username: z.string().min(1).refine(hasNoControls, controlsRefused).optional().meta({
    title: 'User name',
    description: 'User name of the access control list (Redis 6 and later). Empty: the default user.',
  }),
  tls: z.boolean().default(false).meta({
    title: 'TLS',
    description:
      'Connect with TLS. The machine of Sluice must trust the certificate; NODE_EXTRA_CA_CERTS adds your own certificate authority.',
  }),
})

/** Credentials of a Redis storage. */
export const secrets = z.strictObject({
  password: z.string().min(1).refine(hasNoControls, controlsRefused).optional().meta({
    title: 'Password',
    description: 'Password of the user. Empty: no password.',
  }),
})

export type RedisLocation = z.infer<typeof location>
export type RedisSecrets = z.infer<typeof secrets>

/** The server that the password is sent to. */
export const boundTo: BoundParts<RedisLocation> = {
  host: ({ host }) => host,
  port: ({ port }) => String(port),
  tls: ({ tls }) => (tls ? encrypted : ''),
}
