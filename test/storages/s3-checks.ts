import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { startS3 } from '@sluice/testkit/s3.ts'
import { type Fault, startFront } from '@sluice/testkit/s3-front.ts'
import type { Candidate, Situation } from './check-table.ts'
import type { World } from './check-world.ts'

const keyPair = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'the-secret' }

/** A bucket behind a front that checks signatures. */
async function start({ ports }: World) {
  const s3 = await startS3()
  const front = await startFront({ target: s3.endpoint, credentials: keyPair })
  await s3.createBucket('photos')
  await s3.createBucket('kept')
  await s3.put('photos', 'in/a.json', '{"n":1}')
  const location = (more: object = {}) => ({
    s3: { bucket: 'photos', prefix: 'in/', endpoint: front.endpoint, ...keyPair, ...more },
  })
  return {
    ports,
    front,
    location,
    /** The good place, where requests of an operation are answered with an error from now on. */
    failing(operation: string, status: number, code: string, more: Partial<Candidate> = {}): Candidate {
      for (const fault of faults) fault.release()
      faults.push(
        front.fail({ times: Infinity, status, code, match: (request) => request.operation === operation } as Fault),
      )
      return { location: location(), ...more }
    },
    heal() {
      for (const fault of faults.splice(0)) fault.release()
    },
    async keys() {
      const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: 'photos' }))
      return Contents.map(({ Key }) => Key!)
    },
    async stop() {
      await front.stop()
      await s3.stop()
    },
  }
}
const faults: ReturnType<Awaited<ReturnType<typeof startFront>>['fail']>[] = []

type Place = Awaited<ReturnType<typeof start>>
const at = (more: (place: Place) => object) => (place: Place) => {
  place.heal()
  return { location: place.location(more(place)) }
}

const situations: Situation<Place>[] = [
  ['a wrong secret', 'AUTHENTICATE', 'BAD_CREDENTIALS', at(() => ({ secretAccessKey: 'wrong' }))],
  ['an unknown key id', 'AUTHENTICATE', 'BAD_CREDENTIALS', at(() => ({ accessKeyId: 'AKIDOTHER' }))],
  [
    'an expired session',
    'AUTHENTICATE',
    'BAD_CREDENTIALS',
    (place) => place.failing('ListObjectsV2', 400, 'ExpiredToken'),
  ],
  [
    'a wrong clock',
    'AUTHENTICATE',
    'CLOCK_SKEW',
    (place) => place.failing('ListObjectsV2', 403, 'RequestTimeTooSkewed'),
  ],
  ['a key that may not list', 'OPEN', 'DENIED', (place) => place.failing('ListObjectsV2', 403, 'AccessDenied')],
  [
    'a key that may not read',
    'READ_OBJECT',
    'DENIED',
    (place) => place.failing('GetObject', 403, 'AccessDenied', { importMethod: 'TASKS' }),
  ],
  ['a signature that is refused', 'PRESIGN', 'DENIED', (place) => place.failing('GetObject', 403, 'AccessDenied')],
  [
    'a key that may not write',
    'WRITE_OBJECT',
    'DENIED',
    (place) => place.failing('PutObject', 403, 'AccessDenied', { direction: 'EXPORT' }),
  ],
  [
    'a key that may not remove',
    'WRITE_OBJECT',
    'DENIED',
    (place) => {
      const failing = place.failing('DeleteObject', 403, 'AccessDenied', { direction: 'EXPORT' })
      // Where the probe must stay, it shall not be among what others find.
      return { ...failing, location: place.location({ bucket: 'kept' }) }
    },
  ],
  ['no such bucket', 'OPEN', 'NO_SUCH_BUCKET', at(() => ({ bucket: 'not-there' }))],
  [
    'another region',
    'OPEN',
    'WRONG_REGION',
    (place) => {
      place.failing('ListObjectsV2', 400, 'AuthorizationHeaderMalformed')
      return { location: place.location({ region: 'eu-central-1' }) }
    },
  ],
  [
    'a redirect to another region',
    'OPEN',
    'WRONG_REGION',
    (place) => {
      place.failing('ListObjectsV2', 301, 'PermanentRedirect')
      return { location: place.location({ region: 'eu-central-1' }) }
    },
  ],
  ['an empty prefix', 'FIND_OBJECT', 'EMPTY_PREFIX', at(() => ({ prefix: 'IN/' }))],
  ['an unknown host', 'REACH', 'UNRESOLVABLE_HOST', at(() => ({ endpoint: 'http://s3.nowhere.invalid' }))],
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
    at(({ front }) => ({ endpoint: front.endpoint.replace('http:', 'https:') })),
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
  ['a storage that is overrun', 'REACH', 'THROTTLED', (place) => place.failing('ListObjectsV2', 503, 'SlowDown')],
  ['a storage that is broken', 'REACH', 'UNREACHABLE', (place) => place.failing('ListObjectsV2', 500, 'InternalError')],
]

export const s3Checks = {
  provider: 'S3',
  start,
  situations,
  invalid: [
    ['a key id alone', 's3.secretAccessKey', ({ location }: Place) => location({ secretAccessKey: null })],
    ['a secret alone', 's3.accessKeyId', ({ location }: Place) => location({ accessKeyId: null })],
  ] as [string, string, (place: Place) => Record<string, unknown>][],
  good: (place: Place) => {
    place.heal()
    return { location: place.location(), keys: place.keys }
  },
  presigns: true,
  tellsTime: true,
}
