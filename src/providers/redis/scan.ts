import type { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import { textOfKey } from '../key-bytes.ts'
import { cycleDetector } from '../kit/list-progress.ts'
import type { Connection } from './connection.ts'

const leastCount = 100
const maxSteps = 100
// A path can match few of many keys. At 1,000 keys per step, this is enough for 100 million other keys.
const maxEmptySteps = 100_000

/** The position of a listing. */
interface Position {
  /** The run of the server that returned `scan`. */
  serverRun: string
  /** The cursor of SCAN. Null at its end. */
  scan: string | null
  /** Keys that SCAN has returned and that did not fit into the page. */
  unreturned: string[]
}

/**
 * The next page of keys that start with `prefix` and that `takes` accepts, unordered, without duplicates in a page. A page can
 * have fewer than `limit` keys; only the last one can be empty. It promises what SCAN promises (redis.io, "SCAN: scan
 * guarantees"): a key that exists from the first page to the last is listed. A key that is added or removed meanwhile may be
 * listed. A later page may repeat a key.
 * The server stores no state between pages, so a cursor can be stored and used by another process. It contains the few keys
 * that did not fit into the page, because a repeated SCAN could return others in their place. A cursor belongs to one run of
 * the server, because a restart reorders the keys. After a restart the listing starts again, if the user has the permission for
 * INFO.
 */
export async function nextKeys(
  connection: Connection,
  options: {
    cursor: string | null
    limit: number
    prefix: string
    takes: (key: string) => boolean
    signal: AbortSignal | undefined
  },
): Promise<{ keys: string[]; cursor: string | null }> {
  const { cursor, limit, prefix, takes, signal } = options
  let at = cursor === null ? { serverRun: '', scan: '0', unreturned: [] } : readCursor(cursor)
  const found = new Set(at.unreturned)

  let cursors = cycleDetector()
  let limitOfSteps = maxEmptySteps
  // Returns a page once it is half full, because filling it could need one round trip for every second key.
  for (let steps = 0; at.scan !== null && found.size * 2 < limit; steps++) {
    if (found.size > 0 && steps >= maxSteps) break
    if (steps === maxSteps) limitOfSteps = await connection.run(signal, (redis) => stepsFor(redis, limit))
    if (steps >= limitOfSteps || cursors.hasSeen(at.scan)) throw endless()
    const count = Math.max(limit - found.size, leastCount)
    at = await connection.run(signal, async (redis, serverRun) => {
      const from = at.serverRun === serverRun ? at.scan! : '0'
      if (at.serverRun !== serverRun) cursors = cycleDetector()
      const match = prefix === '' ? [] : ['MATCH', `${escapeGlob(prefix)}*`]
      const { next, keys } = await scan(redis, [from, ...match, 'COUNT', count])
      for (const key of keys) if (takes(key)) found.add(key)
      return { serverRun, scan: next === '0' ? null : next, unreturned: [] }
    })
  }

  const keys = [...found]
  const unreturned = keys.splice(limit)
  const done = at.scan === null && unreturned.length === 0
  return { keys, cursor: done ? null : writeCursor({ ...at, unreturned }) }
}

/**
 * One step of SCAN, with keys as `textOfKey` returns them. Requests text first, which is much faster. Invalid UTF-8 appears
 * there as U+FFFD; the step is then repeated for bytes. SCAN permits repeating a cursor, and the second reply is used.
 */
async function scan(redis: Redis, step: (string | number)[]): Promise<{ next: string; keys: string[] }> {
  const [next, keys] = readStep(await redis.call('SCAN', step))
  if (!keys.some((key) => key.includes('\ufffd'))) return { next, keys }
  const [nextBytes, bytes] = (await redis.callBuffer('SCAN', step)) as [Buffer, Buffer[]]
  return { next: String(nextBytes), keys: bytes.map(textOfKey) }
}

/** Reads a reply to SCAN: a cursor, which is a 64-bit number, and keys (redis.io, "SCAN"). */
function readStep(reply: unknown): [string, string[]] {
  const [next, keys]: unknown[] = Array.isArray(reply) ? reply : []
  const isCursor = typeof next === 'string' && /^\d{1,20}$/.test(next)
  if (isCursor && Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return [next, keys]
  throw new SluiceError('UNEXPECTED_ANSWER', 'The server did not answer SCAN with a cursor and keys.')
}

/** How many steps may return no key: four times as many as all keys of the database need (redis.io, "DBSIZE"). */
async function stepsFor(redis: Redis, count: number): Promise<number> {
  // The user may have the permission for SCAN, but not for DBSIZE.
  const keys: unknown = await redis.dbsize().catch(() => undefined)
  if (typeof keys !== 'number' || !Number.isSafeInteger(keys)) return maxEmptySteps
  return Math.min(maxEmptySteps, maxSteps + Math.ceil((4 * keys) / Math.max(count, leastCount)))
}

const endless = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The storage reports more keys, but the listing makes no progress.')

// JSON escapes NUL and lone surrogates, which PostgreSQL cannot store.
const writeCursor = ({ serverRun, scan, unreturned }: Position) => JSON.stringify([serverRun, scan, ...unreturned])

function readCursor(text: string): Position {
  const [serverRun, scan, ...unreturned]: [string, string | null, ...string[]] = JSON.parse(text)
  return { serverRun, scan, unreturned }
}

/** Escapes a text for MATCH (redis.io, "KEYS: glob-style patterns"). */
const escapeGlob = (text: string) => text.replace(/[*?[\]\\]/g, '\\$&')
