import { SluiceError } from '../../errors.ts'
import { defineProvider } from '../provider.ts'
import { abilities } from './abilities.ts'
import { hints } from './hints.ts'
import { boundTo, location, type RedisLocation, secrets } from './location.ts'

/** Strings in a database of a standalone Redis server. Keys are the full Redis keys, the path included. */
export const redis = defineProvider({
  title: 'Redis',
  typeName: 'RedisLocation',
  inputName: 'redis',
  uriScheme: 'redis',
  canPresign: false,
  abilities,
  // Redis permits keys of up to 512 MB.
  keyLimit: null,
  location,
  secrets,
  boundTo,
  hints,
  crossCheck({ username }, { password }) {
    return username && !password ? [{ path: 'password', message: 'is missing: a user name needs its password' }] : []
  },
  refuseTarget: ({ db }) => (db === 0 ? new SluiceError('REDIS_DATABASE_ZERO') : undefined),
  targets: ({ host, port }) => [{ host, port, isHttp: false }],
  // Keys are arguments of commands, not paths.
  sendsDotSegments: () => true,
  place: (place) => ({ endpoint: serverOf(place), bucket: `${serverOf(place)}:${place.db}`, prefix: place.path }),
  open: async (place, keys, { egress, pace }) => (await import('./client.ts')).openRedis(place, keys, egress, pace),
})

/**
 * In URIs the bucket is `<host>:<port>:<db>`, for example `redis://cache.example.com:6379:1/photos/a.jpg`. In the usual
 * `redis://host:port/db`, a slash would end the bucket, and the database would become part of the key. All three parts are
 * always written, so each database of each server has exactly one name.
 */
const serverOf = ({ host, port }: RedisLocation) => `${host.includes(':') ? `[${host}]` : host}:${port}`
