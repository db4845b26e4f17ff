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
import { requestLimits, streamLimits } from './config/limits.ts'
import { readSecretFiles } from './config/secret-files.ts'

/**
 * Every setting that Sluice reads from the environment, with its validation, default and description. docs/settings.md and
 * .env.example are generated from it.
 */
export const settings = z.object({
  PORT: whole(0, 65535).default(4000).describe('TCP port of the HTTP server. 0: the system selects a free port.'),
  HOST: z
    .string()
    .default('127.0.0.1')
    .describe('IP address on which the server listens. 0.0.0.0 accepts connections from other machines.'),
  REUSE_PORT: flag
    .default(false)
    .describe(
      'Whether several processes on this machine can listen on the same PORT and share its connections (Linux).',
    ),
  PUBLIC_URL: httpUrl
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe('URL at which clients reach this server. Default: http://localhost:PORT.'),
  LINKS_URL: httpUrl
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe(
      'URL at which clients reach resolve links. Use a separate host name: the server answers only resolve links there, so that content of buckets never shares an origin with the API. Default: PUBLIC_URL.',
    ),
  SLUICE_ROLES: z
    .string()
    .default(roles.join(','))
    .transform(entries)
    .refine((list): list is (typeof roles)[number][] => list.length > 0 && list.every(isRole), {
      error: `must be ${roles.join(', ')}, or both separated by a comma`,
    })
    .describe(
      'Roles of this process: api answers clients, worker runs jobs. Processes with separate roles need the same DATABASE_URL.',
    ),
  DATA_DIR: z
    .string()
    .min(1)
    .default('data')
    .transform((path) => resolve(path))
    .describe('Folder for the embedded PostgreSQL and the generated secret key.'),
  DATABASE_URL: postgresUrl.optional().describe('URL of a PostgreSQL 15 or newer. Default: the embedded PostgreSQL.'),
  DATABASE_SESSION_URL: postgresUrl
    .optional()
    .describe(
      'URL of the same database without a pooler, for LISTEN and the job queue. Needed if DATABASE_URL leads to a pooler in transaction mode, such as PgBouncer. Default: DATABASE_URL.',
    ),
  DATABASE_POOL_SIZE: whole(10, 1_000)
    .default(20)
    .describe(
      'Maximum number of database connections of this process. It opens up to six more for the job queue and LISTEN.',
    ),
  JOBS_URL: z
    .string()
    // MongoDB allows several hosts, which is not a valid URL, so this is not checked as a URL.
    .regex(/^(postgres(ql)?|mongodb(\+srv)?):\/\/\S+$/, {
      error: 'must be a postgres://, mongodb:// or mongodb+srv:// URL',
    })
    .optional()
    .describe(
      'URL of a PostgreSQL or MongoDB that stores the job queue. All processes need the same value. Default: DATABASE_URL, or the embedded PostgreSQL.',
    ),
  SECRET_KEY: atLeast(32)
    .optional()
    .describe(
      'Key that encrypts the credentials of storages in the database, at least 32 characters. All processes need the same value. Default: a random key, stored in DATA_DIR/secret.key.',
    ),
  SECRET_KEY_CHANGED: flag
    .default(false)
    .describe(
      'Whether to start with another SECRET_KEY than before, after the former key was lost. All stored credentials must then be entered again.',
    ),
  ADMIN_TOKEN: atLeast(24)
    .regex(/^[\x21-\x7e]*$/, { error: 'must be ASCII without spaces' })
    .optional()
    .describe(
      'API token that is always valid, at least 24 characters. Default: the first start creates a token and prints it.',
    ),
  LOCAL_FILES_ROOT: z
    .string()
    .min(1)
    .transform((path) => resolve(path))
    .optional()
    .describe(
      'Folder whose subfolders can be connected as local storages. It must not contain DATA_DIR or lie inside it. Default: in local mode the folder `files` next to DATA_DIR, which the first start creates; otherwise none.',
    ),
  EGRESS_ALLOWED: z
    .string()
    .default('')
    .transform(entries)
    .refine((list) => list.every(isEgressEntry), {
      error: 'must be networks, hosts or host:port, such as 10.0.0.0/8,minio:9000, separated by commas',
    })
    .describe(
      'Comma-separated networks, hosts or host:port in loopback, private and carrier networks to which storages and webhooks may connect outside local mode.',
    ),
  EGRESS_BLOCKED: z
    .string()
    .default('')
    .transform(entries)
    .refine((list) => list.every(isNetwork), { error: 'must be networks such as 10.0.0.0/8, separated by commas' })
    .describe(
      'Comma-separated networks to which storages and webhooks must not connect, even if EGRESS_ALLOWED lists them. Metadata, link-local and multicast addresses are always blocked.',
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
      'Comma-separated storages without credentials that may use the cloud identity of the server: S3:bucket/prefix, GCS:bucket, AZURE_BLOB:account/container. A provider alone allows all of its storages. In local mode (HOST and PUBLIC_URL name this machine, both roles), all storages may.',
    ),
  LOG_LEVEL: z
    .enum(levels, { error: `must be one of ${levels.join(', ')}` })
    .default('warn')
    .describe(
      'Minimum level of log entries: fatal, error, warn, info, debug, trace or silent. The log goes to standard error as JSON lines.',
    ),
  GRAPHIQL: flag
    .optional()
    .describe('Whether the server serves the GraphiQL page at /graphql. Default: true in local mode, otherwise false.'),
  INTROSPECTION: flag
    .optional()
    .describe(
      'Whether the server answers introspection queries, and suggests names of the schema in errors. Default: true in local mode, otherwise false.',
    ),
  WRONG_TOKENS_PER_MINUTE: whole(0, 1_000_000)
    .default(100)
    .describe(
      'Maximum number of wrong tokens from one client address per minute. The server answers further wrong tokens with status 429; valid tokens are always accepted. 0: no limit.',
    ),
  WORKER_CONCURRENCY: whole(1, 64)
    .default(4)
    .describe(
      'Maximum number of imports, and of exports, that one process runs at the same time. Up to twice as many if several projects share the process.',
    ),
  READ_CONCURRENCY: whole(1, 512)
    .default(32)
    .describe('Maximum number of objects that one sync reads at the same time.'),
  WRITE_CONCURRENCY: whole(1, 512)
    .optional()
    .describe('Maximum number of objects that one export writes at the same time. Default: 4 per CPU core, at most 8.'),
  LIST_CONCURRENCY: whole(1, 64)
    .default(4)
    .describe(
      'Maximum number of key ranges of one bucket that a sync lists at the same time. It lists several only if listing limits its speed.',
    ),
  STORAGE_PATIENCE: seconds(86400)
    .default(300)
    .describe(
      'Seconds that a sync waits for a storage that responded before and is now unavailable (no connection, or a 5xx status). Then the sync fails.',
    ),
  ASSIST_AFTER: seconds(86400)
    .default(10)
    .describe('Seconds after which idle workers in other processes help with a running import.'),
  STORAGE_IN_PROGRESS_TIMER: seconds(3600)
    .positive({ error: 'must be more than 0' })
    .default(5)
    .describe(
      'Seconds between two heartbeats of a running sync. After five missed heartbeats, another worker continues the sync.',
    ),
  SCHEDULE_MIN_INTERVAL: whole(1, 86400)
    .default(60)
    .describe(
      'Minimum number of seconds between two syncs of one schedule. scheduleSync refuses shorter intervals with TOO_FREQUENT.',
    ),
  SUBSCRIPTION_HEARTBEAT: seconds(3600)
    .positive({ error: 'must be more than 0' })
    .default(15)
    .describe('Seconds without a message after which the server sends a heartbeat to a subscriber.'),
  ...requestLimits,
  WEBHOOK_TIMEOUT: seconds(60)
    .min(0.1, { error: 'must be at least 0.1' })
    .default(10)
    .describe('Seconds within which the receiver of a webhook must respond. Then the attempt fails.'),
  WEBHOOK_RETRY_DELAY: seconds(3600)
    .default(5)
    .describe(
      'Seconds before the second attempt to send a webhook message. Each further wait is five times as long, at most a day; there are at most 8 attempts.',
    ),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((list) => entries(list).map((origin) => origin.replace(/\/$/, '')))
    .refine((list) => list.every((one) => one === '*' || (URL.canParse(one) && new URL(one).origin === one)), {
      error: 'must be origins such as https://label.example.com, separated by commas, or *',
    })
    .describe(
      'Comma-separated origins of web pages whose scripts may read the content of resolve links. *: all origins. Default: none.',
    ),
  METRICS_TOKEN: atLeast(16)
    .regex(/^[\x21-\x7e]*$/, { error: 'must be ASCII without spaces' })
    .optional()
    .describe(
      'Bearer token for /metrics (Prometheus format), at least 16 characters. Default: the server has no such page.',
    ),
  ...streamLimits,
})

/** The validated settings, with defaults. */
export type Config = z.infer<typeof settings>

/** The process cannot start. The message says why and what to do. `exitCode` is the exit code of the process (sysexits.h). */
export abstract class StartupError extends Error {
  abstract readonly exitCode: number
}

/** The environment contains invalid values. `faults` has one message for each of them. */
export class ConfigError extends StartupError {
  readonly exitCode = 78
  readonly faults: string[]
  constructor(faults: string[]) {
    super(`The settings cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/**
 * Reads the settings from `env` (normally `process.env`, which only main.ts passes). An empty value counts as unset. A secret
 * can also be in the file that `<NAME>_FILE` names.
 * @throws ConfigError with all errors at once. It does not repeat invalid values, because they may be secrets.
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
