import type { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import { bytesOfKey } from '../key-bytes.ts'
import type { ObjectInfo } from '../provider.ts'
import { concernsOneKey, isWrongType } from './error.ts'

// Replies to TYPE (redis.io, "TYPE"), as text for people. Modules add their own types.
const typeNames: Record<string, string> = {
  list: 'a list',
  set: 'a set',
  zset: 'a sorted set',
  hash: 'a hash',
  stream: 'a stream',
}

/**
 * Converts listed keys to objects: with the size of a string, or a fault if the key holds another type (WRONG_TYPE) or the user
 * may not read it (DENIED). Omits keys that were removed since SCAN returned them. One pipeline requests all sizes. A second
 * one requests the types of keys without a positive size.
 */
export async function readObjectInfo(redis: Redis, keys: string[]): Promise<ObjectInfo[]> {
  const names = keys.map((key) => (key.isWellFormed() ? key : bytesOfKey(key)))
  const sizes = await Promise.all(names.map((name) => redis.strlen(name).catch(faultOfOne)))
  // STRLEN is 0 for an empty string, and also for a removed key.
  const types = await Promise.all(
    names.map((name, at) => (isPlain(sizes[at]!) ? 'string' : redis.type(name).catch(() => undefined))),
  )
  return keys.flatMap((key, at) => {
    const [size, type] = [sizes[at]!, types[at]]
    const object = { key, size: typeof size === 'number' ? size : 0, etag: null, lastModified: null }
    if (type === 'none') return []
    if (typeof size !== 'number' && !isWrongType(size)) return [{ ...object, fault: denied() }]
    const isOther = typeof size !== 'number' || (type !== undefined && type !== 'string')
    return [isOther ? { ...object, fault: wrongType(type) } : object]
  })
}

const isPlain = (size: number | Error) => typeof size === 'number' && size > 0

/**
 * Returns an error that concerns only one key.
 * @throws any other error
 */
function faultOfOne(error: Error): Error {
  if (!concernsOneKey(error)) throw error
  return error
}

function wrongType(type: string | undefined): SluiceError {
  const what = type === undefined ? 'another type' : (typeNames[type] ?? 'the type of a module')
  return new SluiceError('WRONG_TYPE', `The key holds ${what}, not a string. Only strings can be imported.`)
}

const denied = () => new SluiceError('DENIED', 'The credentials are valid, but lack the permission for this key.')
