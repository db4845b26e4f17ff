import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { type RunLease, tryLockRun } from '../runs/lease.ts'
import { execute } from '../sql.ts'

/** Fencing token of a range: the database refuses writes of a worker that no longer owns it. */
export interface ShardLease {
  run: number
  attempt: number
  number: number
  owner: string
  /** When the worker read the state of the range, by the database's clock. It reads the source after that. */
  claimedAt: string
}

/** A range of keys that a worker owns, with its checkpoint. */
export interface Shard extends ShardLease {
  after: string | null
  /** Last key of the range when its state was read; null = no end. */
  until: string | null
  cursor: string | null
  lastKey: string | null
  /** The worker has begun to read objects up to this key. Null if it has not, or reads no objects. */
  readsTo: string | null
}

/** Where a page ends, which its range must still contain when it is read and when it is written. */
export interface PageEnd {
  /**
   * True if the page belongs to the whole rest of the range: it is the last one, or the keys do not show what lies after it. Then
   * `key` is the end of the range that the worker knows (null = no end), and a range with another end is refused. False: `key` is the
   * greatest key of the page, and the range may end there or after it.
   */
  isLast: boolean
  key: string | null
}

/**
 * Another worker of the run took over or split the range, or another run has written links of the same objects meanwhile. Nothing
 * was written; the worker reads its range again.
 */
export class ShardChanged extends Error {
  constructor(options?: ErrorOptions) {
    super('Another worker split or took over the range of keys, or another run imported the same objects.', options)
  }
}

/** A new name for a worker that owns ranges. */
export const newOwner = (): string => randomUUID()

/** Creates the first range of a run if it has none: all keys after `after`. */
export async function openShards(em: EntityManager, run: number, after: string | null): Promise<void> {
  await execute(
    em,
    sql`insert into sync_shard (run_id, number, after) values (${run}, 0, ${after}) on conflict do nothing`,
  )
}

/**
 * Claims a range of the run that has no owner, an owner from an earlier attempt, or an expired lease. It continues at the checkpoint.
 * Returns undefined if the run has no such range.
 */
export async function claimShard(
  em: EntityManager,
  { id, attempt }: RunLease,
  { owner, staleSeconds }: { owner: string; staleSeconds: number },
): Promise<Shard | undefined> {
  const [row] = await execute(
    em,
    sql<ShardRow>`
      update sync_shard set holder = ${owner}, attempt = ${attempt}, heartbeat_at = now(), reads_to = null
      where (run_id, number) in (
        select run_id, number from sync_shard
        where run_id = ${id} and not done
          and (holder is null or attempt < ${attempt} or heartbeat_at < now() - make_interval(secs => ${staleSeconds}))
        order by number limit 1 for update skip locked)
      returning ${columns}`,
  )
  return row && toShard(row)
}

/** The present state of the range; undefined if it is done or has another owner. */
export async function reloadShard(em: EntityManager, lease: ShardLease): Promise<Shard | undefined> {
  const [row] = await execute(em, sql<ShardRow>`select ${columns} from sync_shard s where ${heldShard(lease)}`)
  return row && toShard(row)
}

/** Releases the range at its current cursor. */
export async function releaseShard(em: EntityManager, { run, number, owner }: ShardLease): Promise<void> {
  await execute(
    em,
    sql`update sync_shard set holder = null where run_id = ${run} and number = ${number} and holder = ${owner}`,
  )
}

/** Renews all leases of the owner in this run (heartbeat). */
export async function sendHeartbeats(em: EntityManager, run: number, owner: string): Promise<void> {
  await execute(
    em,
    sql`update sync_shard set heartbeat_at = now() where run_id = ${run} and holder = ${owner} and not done`,
  )
}

/** True if all ranges of the run are done. */
export async function allDone(em: EntityManager, run: number): Promise<boolean> {
  const rows = await execute(em, sql`select 1 from sync_shard where run_id = ${run} and not done limit 1`)
  return rows.length === 0
}

/**
 * Publishes that the worker now reads the objects of a page. Splits leave all keys up to there in the range, so that no other worker
 * reads the same objects. @throws ShardChanged if the range ends before the page or has another owner: the page must not be read.
 */
export async function publishReads(em: EntityManager, lease: ShardLease, end: PageEnd): Promise<void> {
  const to = end.isLast ? sql`coalesce(s.until, ${afterAllKeys})` : sql`${end.key}`
  const rows = await execute(
    em,
    sql`update sync_shard s set reads_to = ${to} where ${heldShard(lease)} and ${contains(end)} returning 1`,
  )
  if (rows.length === 0) throw new ShardChanged()
}

/** SQL condition: the worker owns the range `s` (fencing). */
export const heldShard = ({ run, number, owner, attempt }: ShardLease): RawBuilder<SqlBool> =>
  sql`s.run_id = ${run} and s.number = ${number} and s.holder = ${owner} and s.attempt = ${attempt} and not s.done`

/** SQL condition: the range `s` still contains the page with this end. */
export const contains = ({ isLast, key }: PageEnd): RawBuilder<unknown> =>
  isLast ? sql`s.until is not distinct from ${key}` : sql`(s.until is null or s.until >= ${key})`

/** A random active range with at least `minPages` pages and keys that nobody reads yet, which may be worth a split. */
export async function splittable(em: EntityManager, run: number, minPages: number): Promise<Shard | undefined> {
  const [row] = await execute(
    em,
    sql<ShardRow>`
      select ${columns} from sync_shard
      where run_id = ${run} and not done and holder is not null and pages >= ${minPages} and last_key is not null
        and (reads_to is null or reads_to < coalesce(until, ${afterAllKeys}))
      order by random() limit 1`,
  )
  return row && toShard(row)
}

/**
 * Splits a range at the key `at`: it keeps the keys up to `at`, and a new range of `owner` lists the keys after it.
 * Undefined if the range has passed `at` or reads objects up to there, another worker has split it, or `at` is outside the range.
 * Call `findFollowingKeys` again before the next try, because the range may be shorter.
 */
export async function splitShard(
  em: EntityManager,
  range: Shard,
  { at, owner, attempt }: { at: string; owner: string; attempt: number },
): Promise<Shard | undefined> {
  const { run, number, until } = range
  return em.fork().transactional(async (tx) => {
    // A statement sees what was committed before it began. The lock is a separate statement, so the next one sees the ranges of
    // all other splits, and no two ranges get the same number.
    if (!(await tryLockRun(tx, { id: run, attempt }))) return undefined
    const [row] = await execute(
      tx,
      sql<ShardRow>`
        with shortened as (
          update sync_shard set until = ${at}
          where run_id = ${run} and number = ${number} and not done and until is not distinct from ${until}
            and greatest(after, last_key, cursor, reads_to) < ${at} and last_key is not null and cursor is not null
            and not starts_with(last_key, ${mark}) and not starts_with(cursor, ${mark})
            and (until is null or until > ${at})
          returning run_id)
        insert into sync_shard (run_id, number, after, until, holder, attempt)
        select run_id, 1 + (select max(number) from sync_shard where run_id = ${run}), ${at}::text, ${until}::text, ${owner},
          ${attempt}::int
        from shortened
        returning ${columns}`,
    )
    return row && toShard(row)
  })
}

// Sorts after every key: `reads_to` of a range without an end whose last page is read.
const afterAllKeys = '\u{10ffff}'

// PostgreSQL's text cannot store every cursor and key. Such a value is stored as JSON after a mark that no usable key begins with.
const mark = '\u0001json:'

/** Whether the database can store and compare the cursor or key as it is. */
export const isComparable = (text: string): boolean =>
  !text.includes('\0') && text.isWellFormed() && !text.startsWith(mark)

/** Encodes a cursor or key for the database. */
export const toStored = (text: string | null): string | null =>
  text === null || isComparable(text) ? text : mark + JSON.stringify(text)

const fromStored = (text: string | null): string | null =>
  text?.startsWith(mark) ? (JSON.parse(text.slice(mark.length)) as string) : text

const columns = sql.raw('*, clock_timestamp() as claimed_at')

interface ShardRow {
  run_id: string
  number: number
  attempt: number
  holder: string
  after: string | null
  until: string | null
  cursor: string | null
  last_key: string | null
  reads_to: string | null
  claimed_at: string
}

function toShard(row: ShardRow): Shard {
  return {
    run: Number(row.run_id),
    attempt: row.attempt,
    number: row.number,
    owner: row.holder,
    after: row.after,
    until: row.until,
    claimedAt: row.claimed_at,
    cursor: fromStored(row.cursor),
    lastKey: fromStored(row.last_key),
    readsTo: row.reads_to,
  }
}
