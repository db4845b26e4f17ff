import type { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import { bytesOfKey } from '../key-bytes.ts'
import type { ObjectInfo } from '../provider.ts'
import { concernsOneKey, isWrongType } from './error.ts'

// What TYPE answers (redis.io, "TYPE"), with words for people. Modules name types of their own.
const typeWords: Record<string, string> = {
  list: 'a list',
  set: 'a set',
  zset: 'a sorted set',
  hash: 'a hash',
  stream: 'a stream',
}

/**
 * The listed keys as objects: the size of each string, and the fault of a key that holds another type (WRONG_TYPE) or that the
 * user may not read (DENIED). Keys that have vanished since SCAN gave them are left out. All are asked for in one pipeline; a
 * second one asks for the type of those that are not plainly strings, since only these need it.
 */
export async function lookAtKeys(redis: Redis, keys: string[]): Promise<ObjectInfo[]> {
  const names = keys.map((key) => (key.isWellFormed() ? key : bytesOfKey(key)))
  const sizes = await Promise.all(names.map((name) => redis.strlen(name).catch(faultOfOne)))
  // An empty string, or nothing: STRLEN of a key that is gone is 0, too.
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

/** The refusal of one key, which says nothing about others. @throws any other error */
function faultOfOne(error: Error): Error {
  if (!concernsOneKey(error)) throw error
  return error
}

function wrongType(type: string | undefined): SluiceError {
  const what = type === undefined ? 'another type' : (typeWords[type] ?? 'the type of a module')
  return new SluiceError('WRONG_TYPE', `The key holds ${what}, not a string. Only strings can be imported.`)
}

const denied = () => new SluiceError('DENIED', 'The credentials are valid, but may not use this key.')
