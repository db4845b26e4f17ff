import type { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import { textOfKey } from '../key-bytes.ts'
import { cycleDetector } from '../kit/list-progress.ts'
import type { Connection } from './connection.ts'

const leastCount = 100
const mostSteps = 100
// A path can hold few of many keys: at 1,000 a step this is enough for 100 million of others.
const mostEmptySteps = 100_000

/** Where a listing stands. */
interface Position {
  /** The run of the server that gave `scan`. */
  serverRun: string
  /** The cursor of SCAN; null when it has come to its end. */
  scan: string | null
  /** Keys that SCAN has given beyond what the page could hold. */
  kept: string[]
}

/**
 * The next page of keys that start with `prefix` and that `takes`, none twice in a page, in no order. A page may hold fewer
 * than `limit` keys, but none only when no more follow. Promise, as SCAN's (redis.io, "SCAN: scan guarantees"): a key that
 * is there from the first page to the last is listed; one that comes or goes meanwhile may be; a key may come again on a
 * later page. Between pages nothing is held on the server, so a cursor can be stored and used elsewhere. It carries the few
 * keys that SCAN gave too many: asking for them again could give others in their place. It is good for one run of the
 * server, since a restart orders the keys anew: then the listing starts over, where INFO may be asked.
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
  let at = cursor === null ? { serverRun: '', scan: '0', kept: [] } : readCursor(cursor)
  const found = new Set(at.kept)

  let cursors = cycleDetector()
  let most = mostEmptySteps
  // A page that is half full is sent, since asking for just the rest could mean a round trip for every other key.
  for (let steps = 0; at.scan !== null && found.size * 2 < limit; steps++) {
    if (found.size > 0 && steps >= mostSteps) break
    if (steps === mostSteps) most = await connection.run(signal, (redis) => stepsFor(redis, limit))
    if (steps >= most || cursors.hasSeen(at.scan)) throw endless()
    const count = Math.max(limit - found.size, leastCount)
    at = await connection.run(signal, async (redis, serverRun) => {
      const from = at.serverRun === serverRun ? at.scan! : '0'
      if (at.serverRun !== serverRun) cursors = cycleDetector()
      const match = prefix === '' ? [] : ['MATCH', `${escapeGlob(prefix)}*`]
      const { next, keys } = await scan(redis, [from, ...match, 'COUNT', count])
      for (const key of keys) if (takes(key)) found.add(key)
      return { serverRun, scan: next === '0' ? null : next, kept: [] }
    })
  }

  const keys = [...found]
  const kept = keys.splice(limit)
  const done = at.scan === null && kept.length === 0
  return { keys, cursor: done ? null : writeCursor({ ...at, kept }) }
}

/**
 * One step of SCAN, its keys as `textOfKey` gives them. Bytes that are no text show as U+FFFD when text is asked for, which is
 * much faster; then the step is done again for the bytes, and that answer counts, as any answer to a cursor does.
 */
async function scan(redis: Redis, step: (string | number)[]): Promise<{ next: string; keys: string[] }> {
  const [next, keys] = readStep(await redis.call('SCAN', step))
  if (!keys.some((key) => key.includes('\ufffd'))) return { next, keys }
  const [nextBytes, bytes] = (await redis.callBuffer('SCAN', step)) as [Buffer, Buffer[]]
  return { next: String(nextBytes), keys: bytes.map(textOfKey) }
}

/** The reply to SCAN: a cursor, which is a number of 64 bits, and keys (redis.io, "SCAN"). */
function readStep(reply: unknown): [string, string[]] {
  const [next, keys] = (Array.isArray(reply) ? reply : []) as [unknown, unknown]
  const isCursor = typeof next === 'string' && /^\d{1,20}$/.test(next)
  if (isCursor && Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return [next, keys]
  throw new SluiceError('UNEXPECTED_ANSWER', 'The server answered SCAN with something else than a cursor and keys.')
}

/** How many steps may give no key: several times those that all keys of the database take (redis.io, "DBSIZE"). */
async function stepsFor(redis: Redis, count: number): Promise<number> {
  // Whoever may scan need not be allowed to count.
  const keys: unknown = await redis.dbsize().catch(() => undefined)
  if (!Number.isSafeInteger(keys)) return mostEmptySteps
  return Math.min(mostEmptySteps, mostSteps + Math.ceil((4 * (keys as number)) / Math.max(count, leastCount)))
}

const endless = () => new SluiceError('UNEXPECTED_ANSWER', 'The listing says that it goes on, but does not.')

// JSON escapes NUL and lone surrogates, which PostgreSQL could not hold.
const writeCursor = ({ serverRun, scan, kept }: Position) => JSON.stringify([serverRun, scan, ...kept])

function readCursor(text: string): Position {
  const [serverRun, scan, ...kept] = JSON.parse(text) as [string, string | null, ...string[]]
  return { serverRun, scan, kept }
}

/** Makes a text stand for itself in MATCH (redis.io, "KEYS: glob-style patterns"). */
const escapeGlob = (text: string) => text.replace(/[*?[\]\\]/g, '\\$&')
