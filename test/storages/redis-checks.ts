import { startSmallRedis } from '@sluice/testkit/redis-small.ts'
import { Redis } from 'ioredis'
import type { Candidate, Situation } from './check-table.ts'
import type { World } from './check-world.ts'

const password = 'the-password'
const users = {
  lister: { password: 'p', denied: ['getrange'] },
  reader: { password: 'p', denied: ['set'] },
  nobody: { password: 'p', denied: ['scan'] },
}

/** Servers of several kinds: with users, over TLS, without a password, and of a cluster. */
async function start({ ports }: World) {
  const [server, tls, open, cluster] = await Promise.all([
    startSmallRedis({ password, users }),
    startSmallRedis({ tls: true }),
    startSmallRedis(),
    startSmallRedis({ mode: 'cluster' }),
  ])
  const { host, port } = server
  const client = new Redis({ host, port, password, db: 1, protocol: 2 })
  await client.set('in/a.json', '{"n":1}')
  const location = (more: object = {}) => ({ redis: { host, port, db: 1, path: 'in/', password, ...more } })
  return {
    ports,
    server,
    tls,
    open,
    cluster,
    location,
    as: (username: string, more: Partial<Candidate> = {}): Candidate => ({
      location: location({ username, password: 'p' }),
      ...more,
    }),
    keys: async () => (await client.scan(0, 'COUNT', 1000))[1],
    async stop() {
      client.disconnect()
      await Promise.all([server, tls, open, cluster].map((one) => one.stop()))
    },
  }
}

type Place = Awaited<ReturnType<typeof start>>
const at = (more: (place: Place) => object) => (place: Place) => ({ location: place.location(more(place)) })
const bare = { password: null }

const situations: Situation<Place>[] = [
  ['a wrong password', 'AUTHENTICATE', 'BAD_CREDENTIALS', at(() => ({ password: 'wrong' }))],
  ['no password where one is asked for', 'AUTHENTICATE', 'BAD_CREDENTIALS', at(() => bare)],
  ['a password where none is set', 'AUTHENTICATE', 'BAD_CREDENTIALS', at(({ open }) => ({ port: open.port }))],
  ['an unknown user', 'AUTHENTICATE', 'BAD_CREDENTIALS', at(() => ({ username: 'stranger' }))],
  ['a user who may not list', 'OPEN', 'DENIED', (place) => place.as('nobody')],
  ['a user who may not read', 'READ_OBJECT', 'DENIED', (place) => place.as('lister', { importMethod: 'TASKS' })],
  ['a user who may not write', 'WRITE_OBJECT', 'DENIED', (place) => place.as('reader', { direction: 'EXPORT' })],
  ['no such database', 'OPEN', 'NO_SUCH_BUCKET', at(() => ({ db: 99 }))],
  ['an empty path', 'FIND_OBJECT', 'EMPTY_PREFIX', at(() => ({ path: 'IN/' }))],
  [
    'database 0 as a target',
    'CONFIGURATION',
    'REDIS_DATABASE_ZERO',
    (place) => ({ location: place.location({ db: 0 }), direction: 'EXPORT' }),
  ],
  ['a node of a cluster', 'OPEN', 'REDIS_CLUSTER', at(({ cluster }) => ({ ...bare, db: 0, port: cluster.port }))],
  ['an unknown host', 'REACH', 'UNRESOLVABLE_HOST', at(() => ({ host: 'redis.nowhere.invalid' }))],
  ['an address that is blocked', 'EGRESS', 'BLOCKED_ADDRESS', at(() => ({ host: '169.254.169.254' }))],
  ['a closed port', 'REACH', 'CONNECTION_REFUSED', at(({ ports }) => ({ port: ports.closed }))],
  ['TLS to a plain port', 'REACH', 'TLS_FAILED', at(() => ({ tls: true }))],
  [
    'a certificate that nobody signed',
    'REACH',
    'TLS_FAILED',
    at(({ tls }) => ({ ...bare, tls: true, port: tls.port })),
  ],
  ["a website's port", 'REACH', 'CONSOLE_URL', at(({ ports }) => ({ port: ports.website }))],
]

export const redisChecks = {
  provider: 'REDIS',
  start,
  situations,
  invalid: [
    ['a user without a password', 'redis.password', ({ location }: Place) => location({ username: 'lister', ...bare })],
    ['a URL for a host', 'redis.host', ({ location }: Place) => location({ host: 'redis://127.0.0.1' })],
  ] as [string, string, (place: Place) => Record<string, unknown>][],
  good: (place: Place) => ({ location: place.location(), keys: place.keys }),
  presigns: false,
  tellsTime: false,
}
