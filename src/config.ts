import { resolve } from 'node:path'
import { z } from 'zod'
import {
  atLeast,
  entries,
  flag,
  httpUrl,
  isEgressEntry,
  isNetwork,
  isRole,
  levels,
  postgresUrl,
  roles,
  seconds,
  whole,
} from './config/fields.ts'
import { readSecretFiles } from './config/secret-files.ts'

/** Every setting Sluice reads from the environment: its check, its default and what it means. docs/settings.md and .env.example are made from it. */
export const settings = z.object({
  PORT: whole(0, 65535).default(4000).describe('Port of the HTTP server; 0 takes a free one.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on. Use 0.0.0.0 to accept other machines.'),
  REUSE_PORT: flag
    .default(false)
    .describe('Let several processes of this machine listen on PORT together and share its connections (Linux).'),
  PUBLIC_URL: httpUrl
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe('How clients reach this server. Default: http://localhost:PORT.'),
  LINKS_URL: httpUrl
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe(
      'Where clients reach resolve links, which start with it. A host of its own keeps content of buckets away from sessions: it serves nothing but links. Default: PUBLIC_URL.',
    ),
  SLUICE_ROLES: z
    .string()
    .default(roles.join(','))
    .transform(entries)
    .refine((list): list is (typeof roles)[number][] => list.length > 0 && list.every(isRole), {
      error: `must be ${roles.join(', ')}, or both separated by a comma`,
    })
    .describe(
      'What this process does: api answers clients, worker does jobs. To split them, give all one DATABASE_URL.',
    ),
  DATA_DIR: z
    .string()
    .min(1)
    .default('data')
    .transform((path) => resolve(path))
    .describe('Folder of the embedded PostgreSQL and of the generated secret key.'),
  DATABASE_URL: postgresUrl.optional().describe('PostgreSQL 15 or newer to use instead of the embedded one.'),
  DATABASE_SESSION_URL: postgresUrl
    .optional()
    .describe(
      'The same database past a pooler that lends connections by the transaction (PgBouncer), to listen and for jobs. Default: DATABASE_URL.',
    ),
  DATABASE_POOL_SIZE: whole(10, 1_000)
    .default(20)
    .describe('Most connections that this process opens for its work; six more are for jobs and to listen.'),
  JOBS_URL: z
    .string()
    // Several hosts, as MongoDB has them, make no URL by the book.
    .regex(/^(postgres(ql)?|mongodb(\+srv)?):\/\/\S+$/, {
      error: 'must be a postgres://, mongodb:// or mongodb+srv:// URL',
    })
    .optional()
    .describe(
      'PostgreSQL or MongoDB to keep background jobs in. The same in all processes. Default: the database itself.',
    ),
  SECRET_KEY: atLeast(32)
    .optional()
    .describe('Seals the credentials of storages in the database. Default: made once and kept in DATA_DIR/secret.key.'),
  SECRET_KEY_CHANGED: flag
    .default(false)
    .describe('Start with another SECRET_KEY than before, which is lost: stored credentials must be entered again.'),
  ADMIN_TOKEN: atLeast(24)
    .regex(/^[\x21-\x7e]*$/, { error: 'must be ASCII without spaces' })
    .optional()
    .describe('An API token that is always valid. Default: one is made and printed at the first start.'),
  LOCAL_FILES_ROOT: z
    .string()
    .min(1)
    .transform((path) => resolve(path))
    .optional()
    .describe(
      'Folder whose subfolders may be connected as local storages. It must not contain DATA_DIR or lie in it. Default: files beside DATA_DIR in local mode, otherwise none.',
    ),
  EGRESS_ALLOWED: z
    .string()
    .default('')
    .transform(entries)
    .refine((list) => list.every(isEgressEntry), {
      error: 'must be networks, hosts or host:port, such as 10.0.0.0/8,minio:9000, separated by commas',
    })
    .describe(
      'Networks, hosts and host:port inside loopback, private and carrier networks that storages and webhooks may use when other machines can reach the server.',
    ),
  EGRESS_BLOCKED: z
    .string()
    .default('')
    .transform(entries)
    .refine((list) => list.every(isNetwork), { error: 'must be networks such as 10.0.0.0/8, separated by commas' })
    .describe(
      'Further networks that storages and webhooks may not use; EGRESS_ALLOWED does not reopen them. Metadata, link-local and multicast addresses are always closed.',
    ),
  AMBIENT_CREDENTIALS: z
    .string()
    .default('')
    .transform(entries)
    .refine((list) => list.every((one) => /^(S3|GCS|AZURE_BLOB)(:[^\s/:][^\s]*)?$/.test(one)), {
      error:
        'must be entries such as S3:bucket/prefix, GCS:bucket, AZURE_BLOB:account/container or S3, separated by commas',
    })
    .describe(
      "Storages that may use this server's own cloud identity: S3:bucket/prefix, GCS:bucket, AZURE_BLOB:account/container; a provider alone means all of its storages. In local mode (HOST and PUBLIC_URL name this machine, both roles) all may.",
    ),
  LOG_LEVEL: z
    .enum(levels, { error: `must be one of ${levels.join(', ')}` })
    .default('warn')
    .describe('Least important level that is logged, as JSON lines on standard error.'),
  GRAPHIQL: flag
    .optional()
    .describe('Serve the GraphiQL page at /graphql. Default: true in local mode, otherwise false.'),
  INTROSPECTION: flag
    .optional()
    .describe(
      'Answer introspection queries, and suggest names of the schema in errors. Default: true in local mode, otherwise false.',
    ),
  WRONG_TOKENS_PER_MINUTE: whole(0, 1_000_000)
    .default(100)
    .describe(
      'Wrong tokens that one client address may send in a minute; more are answered with 429. Right tokens always count. 0 = no limit.',
    ),
  WORKER_CONCURRENCY: whole(1, 64)
    .default(4)
    .describe(
      'Imports, and as many exports, that one process runs at the same time; up to twice as many when several projects share it.',
    ),
  READ_CONCURRENCY: whole(1, 512).default(32).describe('Objects that one sync reads at the same time.'),
  WRITE_CONCURRENCY: whole(1, 512)
    .optional()
    .describe('Objects that one export writes at the same time. Default: 8, or 4 for each core if that is less.'),
  LIST_CONCURRENCY: whole(1, 64)
    .default(4)
    .describe('Ranges of one bucket that a sync lists at the same time, when listing is what takes the time.'),
  STORAGE_PATIENCE: seconds(86400)
    .default(300)
    .describe(
      'Seconds that a sync waits for a storage that has responded to it before and is away (no connection, or 5xx). Then it ends as FAILED.',
    ),
  ASSIST_AFTER: seconds(86400)
    .default(10)
    .describe('Seconds after which idle workers take a share of an import that goes on in another process.'),
  STORAGE_IN_PROGRESS_TIMER: seconds(3600)
    .positive({ error: 'must be more than 0' })
    .default(5)
    .describe('Seconds between two heartbeats of a running sync; after five without one the sync counts as lost.'),
  SCHEDULE_MIN_INTERVAL: whole(1, 86400)
    .default(60)
    .describe('Least seconds between two syncs of one schedule; one that would come more often is refused.'),
  SUBSCRIPTION_HEARTBEAT: seconds(3600)
    .positive({ error: 'must be more than 0' })
    .default(15)
    .describe('Seconds without a message after which a subscription tells that it is alive.'),
  OPERATION_MAX_COST: whole(1_000, 10_000_000)
    .default(50_000)
    .describe('Largest cost of a GraphQL operation: about the number of values in its response. Beyond: COST_LIMIT.'),
  OPERATION_TIMEOUT: seconds(3600)
    .min(0.1, { error: 'must be at least 0.1' })
    .default(60)
    .describe('Seconds that a GraphQL query or mutation may take. Beyond: it is stopped with OPERATION_TIMEOUT.'),
  OPERATIONS_PER_TOKEN: whole(1, 100_000)
    .default(200)
    .describe('GraphQL operations of one token that one process executes at the same time. Beyond: 429.'),
  STATEMENT_TIMEOUT: seconds(3600)
    .min(0.1, { error: 'must be at least 0.1' })
    .default(30)
    .describe('Seconds that one SQL statement of a GraphQL operation may take. Jobs have no such limit.'),
  SUBSCRIPTIONS_PER_SOCKET: whole(1, 100_000)
    .default(200)
    .describe(
      'Subscriptions that one WebSocket may have open at the same time; more are refused, and the socket stays.',
    ),
  SUBSCRIPTIONS_PER_TOKEN: whole(1, 1_000_000)
    .default(10_000)
    .describe('Subscriptions that one token may have open at the same time in one process, on all its connections.'),
  SUBSCRIPTIONS_PER_PROJECT: whole(1, 1_000_000)
    .default(10_000)
    .describe('Subscriptions to one project that may be open at the same time in one process.'),
  SUBSCRIPTIONS_MAX: whole(1, 1_000_000)
    .default(20_000)
    .describe('Subscriptions that one process has open at the same time.'),
  SOCKETS_PER_TOKEN: whole(1, 1_000_000)
    .default(10_000)
    .describe(
      'WebSockets that one token may have open at the same time in one process; a further one is closed with 4429.',
    ),
  SOCKETS_MAX: whole(1, 1_000_000)
    .default(20_000)
    .describe('WebSockets that one process has open at the same time; a further one is refused with status 429.'),
  SOCKET_MESSAGES_PER_SECOND: whole(1, 1_000_000)
    .default(100)
    .describe(
      'Messages that a client may send on one WebSocket each second, and ten times as many at once; beyond it the socket is closed with 4429.',
    ),
  REQUESTS_PER_SECOND: whole(1, 1_000_000)
    .default(500)
    .describe(
      'GraphQL operations of one token, or of one address without a token, each second, and ten times as many at once; more are refused with status 429. Links to objects do not count.',
    ),
  WEBHOOK_TIMEOUT: seconds(60)
    .min(0.1, { error: 'must be at least 0.1' })
    .default(10)
    .describe('Seconds that the receiver of a webhook may take to answer.'),
  WEBHOOK_RETRY_DELAY: seconds(3600)
    .default(5)
    .describe(
      'Seconds before a message that did not arrive is sent again; five times as long before each further attempt, 8 in all.',
    ),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((list) => entries(list).map((origin) => origin.replace(/\/$/, '')))
    .refine((list) => list.every((one) => one === '*' || (URL.canParse(one) && new URL(one).origin === one)), {
      error: 'must be origins such as https://label.example.com, separated by commas, or *',
    })
    .describe('Origins of web pages whose scripts may read what resolve links lead to, separated by commas; * = all.'),
  METRICS_TOKEN: atLeast(16)
    .regex(/^[\x21-\x7e]*$/, { error: 'must be ASCII without spaces' })
    .optional()
    .describe('Bearer token that opens /metrics, in the format of Prometheus. Unset: there is no such page.'),
  RESOLVER_PROXY_TIMEOUT: seconds(86400)
    .default(10)
    .describe(
      'Seconds in which a client of a proxied stream must read RESOLVER_PROXY_BUFFER_SIZE bytes; a media element of a browser must read the whole stream. Beyond: its connection is reset. 0 = no limit.',
    ),
  RESOLVER_PROXY_BUFFER_SIZE: whole(1024, 2 ** 24)
    .default(65536)
    .describe('Bytes that one proxied stream holds for a client that takes them slowly.'),
  RESOLVER_PROXY_MAX_STREAMS: whole(1, 100_000)
    .default(2000)
    .describe('Proxied streams that one process has open at the same time; more are told to come back (503).'),
  RESOLVER_PROXY_MAX_STREAMS_PER_VIEWER: whole(1, 100_000)
    .default(1000)
    .describe('Proxied streams that one token may have open at the same time.'),
  RESOLVER_PROXY_MAX_STREAMS_PER_PROJECT: whole(1, 100_000)
    .default(1000)
    .describe('Proxied streams that may be open from the storages of one project at the same time.'),
  RESOLVER_PROXY_MAX_RANGE_SIZE: whole(1024, 2 ** 40)
    .default(7340032)
    .describe(
      'Most bytes in one response to a range request of the clients that RESOLVER_PROXY_RANGE_LIMIT_FOR names; they get a shorter 206, and request the rest themselves.',
    ),
  RESOLVER_PROXY_RANGE_LIMIT_FOR: z
    .enum(['MEDIA', 'ALL', 'NONE'], { error: 'must be MEDIA, ALL or NONE' })
    .default('MEDIA')
    .describe(
      'Clients to which RESOLVER_PROXY_MAX_RANGE_SIZE applies: MEDIA = audio, video and track elements of browsers (Sec-Fetch-Dest). Other clients take a shorter 206 for the end of the file. ALL = every client, NONE = no client.',
    ),
  RESOLVER_PROXY_CACHE_TIMEOUT: whole(0, 31536000)
    .default(3600)
    .describe('Seconds that a browser may keep proxied bytes.'),
})

/** The settings, checked, with defaults filled in. */
export type Config = z.infer<typeof settings>

/** The environment holds values that cannot be used. `faults` names every one of them, one per line. */
export class ConfigError extends Error {
  readonly faults: string[]
  constructor(faults: string[]) {
    super(`The settings cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/**
 * Reads the settings from `env` (normally `process.env`, which only main.ts hands in). An empty value counts as unset. A secret
 * can also be in a file that `<NAME>_FILE` names.
 * @throws ConfigError naming all faults at once; a faulty value is not repeated, since it may be a secret.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const files = readSecretFiles(env)
  const values = { ...env, ...files.values }
  const given = Object.fromEntries(
    Object.keys(settings.shape).flatMap((name) => (values[name] ? [[name, values[name]]] : [])),
  )
  const result = settings.safeParse(given)
  const issues = result.error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? []
  const faults = [...files.faults, ...issues]
  if (result.success && faults.length === 0) return result.data
  throw new ConfigError(faults)
}
