import { environment } from '@sluice/testkit/egress.ts'
import type { RedisCommand } from '@sluice/testkit/redis-faults.ts'
import { type SmallRedisOptions, startSmallRedis } from '@sluice/testkit/redis-small.ts'
import { onTestFinished } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { redis } from '../../src/providers/redis/kind.ts'

/** Opens a place as a storage does, its location and secrets checked by the schemas; closed after the test. */
export async function open(
  location: Record<string, unknown>,
  secrets: Record<string, unknown> = {},
): Promise<Provider> {
  const provider = await redis.open(redis.location.parse(location), redis.secrets.parse(secrets), environment)
  onTestFinished(() => provider.close())
  return provider
}

/** The small server with `objects` in its database 0, which is opened; stopped after the test. */
export async function served(options: SmallRedisOptions & { objects?: Record<string, string> } = {}) {
  const { objects = {}, ...rest } = options
  const server = await startSmallRedis(rest)
  onTestFinished(() => server.stop())
  const { host, port } = server
  const secrets = rest.password === undefined ? {} : { password: rest.password }
  const provider = await open({ host, port, tls: rest.tls ?? false }, secrets)
  for (const [key, body] of Object.entries(objects)) await provider.write(key, Buffer.from(body))
  return { server, provider, host, port }
}

/** The keys of all pages as they come. */
export async function allKeys(provider: Provider, limit = 1000): Promise<string[]> {
  const keys: string[] = []
  let cursor: string | null = null
  do {
    const page = await provider.list({ cursor, limit, recursive: true })
    keys.push(...page.objects.map((object) => object.key))
    cursor = page.cursor
  } while (cursor !== null)
  return keys
}

/** What `list` takes for a page of few objects. */
export const firstPage = { cursor: null, limit: 10, recursive: true }

/** Matches commands of these names. */
export const called =
  (...names: string[]) =>
  ({ name }: RedisCommand) =>
    names.includes(name)
