import { environment } from '@sluice/testkit/egress.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { gcs } from '../../src/providers/gcs/kind.ts'
import type { Candidate, Situation } from './check-table.ts'
import type { World } from './check-world.ts'

/** A bucket, and accounts with more or fewer rights. */
async function start({ ports }: World) {
  const server = await startGcs()
  server.createBucket('photos')
  server.put('photos', 'in/a.json', '{"n":1}')
  const { endpoint } = server
  const good = server.newAccount().keyFile
  const location = (more: object = {}) => ({
    gcs: { bucket: 'photos', prefix: 'in/', endpoint, serviceAccountJson: good, ...more },
  })
  return {
    ports,
    server,
    location,
    /** The good place for an account that may do all but this. */
    without(operation: string, more: Partial<Candidate> = {}): Candidate {
      const account = server.newAccount({ may: (request) => request.operation !== operation })
      return { location: location({ serviceAccountJson: account.keyFile }), ...more }
    },
    async keys() {
      const secrets = { serviceAccountJson: good }
      const provider = await gcs.open(gcs.location.parse({ bucket: 'photos', endpoint }), secrets, environment)
      const { objects } = await provider.list({ cursor: null, limit: 10, recursive: true })
      provider.close()
      return objects.map(({ key }) => key)
    },
    stop: () => server.stop(),
  }
}

type Place = Awaited<ReturnType<typeof start>>
const at = (more: (place: Place) => object) => (place: Place) => ({ location: place.location(more(place)) })
const overrun = { times: Infinity, match: ({ url }: { url: string }) => url.includes('overrun') }

const situations: Situation<Place>[] = [
  [
    'an account that was deleted',
    'AUTHENTICATE',
    'BAD_CREDENTIALS',
    at(({ server }) => ({ serviceAccountJson: server.newAccount({ known: false }).keyFile })),
  ],
  ['an account that may not list', 'OPEN', 'DENIED', (place) => place.without('objects.list')],
  [
    'a bucket that is not public, anonymously',
    'OPEN',
    'DENIED',
    at(() => ({ serviceAccountJson: null, anonymous: true })),
  ],
  [
    'an account that may not read',
    'READ_OBJECT',
    'DENIED',
    (place) => place.without('media', { importMethod: 'TASKS' }),
  ],
  ['an account whose signature may not read', 'PRESIGN', 'DENIED', (place) => place.without('signed')],
  [
    'an account that may not write',
    'WRITE_OBJECT',
    'DENIED',
    (place) => place.without('objects.create', { direction: 'EXPORT' }),
  ],
  ['no such bucket', 'OPEN', 'NO_SUCH_BUCKET', at(() => ({ bucket: 'not-there' }))],
  ['an empty prefix', 'FIND_OBJECT', 'EMPTY_PREFIX', at(() => ({ prefix: 'IN/' }))],
  ['an unknown host', 'REACH', 'UNRESOLVABLE_HOST', at(() => ({ endpoint: 'http://gcs.nowhere.invalid' }))],
  ['an address that is blocked', 'EGRESS', 'BLOCKED_ADDRESS', at(() => ({ endpoint: 'http://169.254.169.254' }))],
  [
    'a closed port',
    'REACH',
    'CONNECTION_REFUSED',
    at(({ ports }) => ({ endpoint: `http://127.0.0.1:${ports.closed}` })),
  ],
  [
    'https to a port for http',
    'REACH',
    'TLS_FAILED',
    at(({ server }) => ({ endpoint: server.endpoint.replace('http:', 'https:') })),
  ],
  [
    'a certificate that nobody signed',
    'REACH',
    'TLS_FAILED',
    at(({ ports }) => ({ endpoint: `https://127.0.0.1:${ports.selfSigned}` })),
  ],
  [
    "a website's address",
    'REACH',
    'CONSOLE_URL',
    at(({ ports }) => ({ endpoint: `http://127.0.0.1:${ports.website}` })),
  ],
  [
    'a storage that is overrun',
    'REACH',
    'THROTTLED',
    (place) => {
      place.server.fail({ ...overrun, status: 429, reason: 'rateLimitExceeded' })
      return { location: place.location({ bucket: 'overrun' }) }
    },
  ],
]

const broken: [string, unknown][] = [
  ['no JSON', 'not json'],
  ['JSON of another kind', '{"type":"authorized_user"}'],
  ['a key without its private key', '{"type":"service_account","client_email":"a@b"}'],
]

export const gcsChecks = {
  provider: 'GCS',
  start,
  situations,
  invalid: broken.map(([what, serviceAccountJson]): [string, string, (place: Place) => Record<string, unknown>] => [
    `a service account key that is ${what}`,
    'gcs.serviceAccountJson',
    ({ location }) => location({ serviceAccountJson }),
  ]),
  good: (place: Place) => ({ location: place.location(), keys: place.keys }),
  presigns: true,
  tellsTime: true,
}
