import { createHash } from 'node:crypto'
import type { Reply } from './redis-wire.ts'

/** What a key holds: a string, a list, or something of which only the type matters. Keys are bytes, kept as Latin-1 text. */
type Value = Buffer | Buffer[] | { type: string }

const wrongType = { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' }
const buckets = 256n

/** One database of the small Redis server. Its keys are in an order that `salt` decides, as a restart gives Redis a new one. */
export function createDatabase({ salt }: { salt: () => string }) {
  const values = new Map<string, Value>()
  const bytesAt = (key: Buffer) => {
    const value = values.get(key.toString('latin1'))
    return value === undefined || Buffer.isBuffer(value) ? (value ?? Buffer.alloc(0)) : undefined
  }

  const makes = (type: string) => (key: Buffer | undefined) => {
    values.set(name(key), { type })
    return 1
  }

  /** How each command answers its arguments. */
  const commands: Record<string, (...args: Buffer[]) => Reply> = {
    set: (key, value) => {
      values.set(name(key), value!)
      return { status: 'OK' }
    },
    mset: (...pairs) => {
      for (let at = 0; at < pairs.length; at += 2) values.set(name(pairs[at]), pairs[at + 1]!)
      return { status: 'OK' }
    },
    append: (key, more) => {
      const bytes = bytesAt(key!)
      if (!bytes) return wrongType
      values.set(name(key), Buffer.concat([bytes, more!]))
      return bytes.length + more!.length
    },
    strlen: (key) => bytesAt(key!)?.length ?? wrongType,
    getrange: (key, first, last) => {
      const bytes = bytesAt(key!)
      if (!bytes) return wrongType
      // As getrangeCommand of t_string.c: negative ends count from the end, and are then moved into the value.
      const [start, end] = [first, last].map((text) => {
        const at = Number(text)
        return Math.max(0, at < 0 ? bytes.length + at : at)
      })
      if (Number(first) < 0 && Number(last) < 0 && Number(first) > Number(last)) return Buffer.alloc(0)
      return bytes.subarray(start, end! + 1)
    },
    type: (key) => ({ status: typeOf(values.get(key!.toString('latin1'))) }),
    exists: (...keys) => keys.filter((key) => values.has(name(key))).length,
    del: (...keys) => keys.filter((key) => values.delete(name(key))).length,
    rpush: (key, ...items) => {
      const list = values.get(name(key)) ?? []
      if (!Array.isArray(list)) return wrongType
      values.set(name(key), [...list, ...items])
      return list.length + items.length
    },
    hset: makes('hash'),
    sadd: makes('set'),
    zadd: makes('zset'),
    xadd: makes('stream'),
    // Of the module RedisJSON, whose keys have this type.
    'json.set': makes('ReJSON-RL'),
    scan: (cursor, ...options) => scan(values, { cursor: String(cursor), options, salt: salt() }),
  }
  return commands
}

function typeOf(value: Value | undefined): string {
  if (value === undefined) return 'none'
  if (Buffer.isBuffer(value)) return 'string'
  return Array.isArray(value) ? 'list' : value.type
}

const name = (key: Buffer | undefined) => key!.toString('latin1')

/**
 * Scans like Redis: in the order of the hashes of the keys. A page contains whole hash buckets, so it can have more keys than COUNT, or
 * none that matches. A cursor needs 64 bits. Adding or deleting a key does not move other keys.
 */
function scan(
  values: Map<string, Value>,
  { cursor, options, salt }: { cursor: string; options: Buffer[]; salt: string },
): Reply {
  if (!/^\d+$/.test(cursor)) return { error: 'ERR invalid cursor' }
  let count = 10
  let [matches, type] = [(_key: string) => true, '']
  for (let at = 0; at < options.length; at += 2) {
    const [option, value] = [String(options[at]).toLowerCase(), options[at + 1]!]
    if (option === 'count') count = Number(value)
    else if (option === 'match') matches = globMatcher(name(value))
    else if (option === 'type') type = String(value)
    else return { error: 'ERR syntax error' }
  }
  if (!(count >= 1)) return { error: 'ERR syntax error' }
  const sorted = [...values.keys()]
    .map((key) => ({ key, bucket: bucketOf(salt + key) }))
    .filter(({ bucket }) => bucket >= BigInt(cursor))
    .sort((a, b) => (a.bucket < b.bucket ? -1 : a.bucket > b.bucket ? 1 : 0))
  const end = sorted.find((_item, n) => n >= count && sorted[n]!.bucket !== sorted[n - 1]!.bucket)
  const seen = sorted.filter(({ bucket }) => end === undefined || bucket < end.bucket).map(({ key }) => key)
  const isOfType = (key: string) => type === '' || typeOf(values.get(key)) === type
  const found = seen.filter((key) => matches(key) && isOfType(key))
  return [String(end?.bucket ?? 0), found.map((key) => Buffer.from(key, 'latin1'))]
}

/** Never 0, which as a cursor means start and end. */
function bucketOf(key: string): bigint {
  const hash = createHash('sha1').update(key, 'latin1').digest().readBigUInt64BE()
  return (hash / (2n ** 64n / buckets)) * (2n ** 64n / buckets) + 1n
}

/** As stringmatchlen of util.c, bytes being characters. */
function globMatcher(pattern: string): (key: string) => boolean {
  const parts = pattern.match(/\\[\s\S]|\[\^?(?:\\[\s\S]|[^\]])*\]?|[\s\S]/g) ?? []
  const source = parts.map((part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part.length > 1 && part.startsWith('[')) return part
    return (part.length > 1 ? part.slice(1) : part).replace(/[^\w\s]/g, '\\$&')
  })
  const whole = new RegExp(`^${source.join('')}$`, 's')
  return (key) => whole.test(key)
}
