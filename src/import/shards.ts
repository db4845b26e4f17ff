import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { lockRun, type RunLease } from '../runs/lease.ts'
import { sql } from '../sql.ts'

/** Fencing token of a range: the database refuses writes of a worker that no longer owns it. */
export interface ShardHold {
  run: number
  attempt: number
  number: number
  holder: string
  /** Last key of the range when it was claimed; null = no end. */
  until: string | null
  /** When the worker read the state of the range, by the database's clock. It reads the source after that. */
  claimedAt: string
}

/** A range of keys that a worker owns, with its checkpoint. */
export interface Shard extends ShardHold {
  after: string | null
  cursor: string | null
  lastKey: string | null
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
export const newHolder = (): string => randomUUID()

/** Creates the first range of a run if it has none: all keys after `after`. */
export async function openShards(em: EntityManager, run: number, after: string | null): Promise<void> {
  await sql(em, 'insert into sync_shard (run_id, number, after) values ($1, 0, $2) on conflict do nothing', [
    run,
    after,
  ])
}

/**
 * Claims a range of the run that has no owner, an owner from an earlier attempt, or an expired lease. Returns undefined if the run has no
 * such range.
 */
export async function claimShard(
  em: EntityManager,
  { id, attempt }: RunLease,
  { holder, staleSeconds }: { holder: string; staleSeconds: number },
): Promise<Shard | undefined> {
  const [row] = await sql<ShardRow>(
    em,
    `update sync_shard set holder = $3, attempt = $2, heartbeat_at = now()
     where (run_id, number) in (
       select run_id, number from sync_shard
       where run_id = $1 and not done
         and (holder is null or attempt < $2 or heartbeat_at < now() - make_interval(secs => $4))
       order by number limit 1 for update skip locked)
     returning ${columns}`,
    [id, attempt, holder, staleSeconds],
  )
  return row && toShard(row)
}

/** The present state of the range; undefined if it is done or has another owner. */
export async function reloadShard(em: EntityManager, held: ShardHold): Promise<Shard | undefined> {
  const [row] = await sql<ShardRow>(
    em,
    `select ${columns} from sync_shard where run_id = $1 and number = $2 and holder = $3 and attempt = $4 and not done`,
    [held.run, held.number, held.holder, held.attempt],
  )
  return row && toShard(row)
}

/** Releases the range at its current cursor. */
export async function releaseShard(em: EntityManager, { run, number, holder }: ShardHold): Promise<void> {
  await sql(em, 'update sync_shard set holder = null where run_id = $1 and number = $2 and holder = $3', [
    run,
    number,
    holder,
  ])
}

/** Renews the leases of the holder (heartbeat). */
export async function beatShards(em: EntityManager, run: number, holder: string): Promise<void> {
  await sql(em, 'update sync_shard set heartbeat_at = now() where run_id = $1 and holder = $2 and not done', [
    run,
    holder,
  ])
}

/** True if all ranges of the run are done. */
export async function allDone(em: EntityManager, run: number): Promise<boolean> {
  const rows = await sql(em, 'select 1 from sync_shard where run_id = $1 and not done limit 1', [run])
  return rows.length === 0
}

/** A random active range with at least `minPages` pages, which may be worth a split. */
export async function splittable(em: EntityManager, run: number, minPages: number): Promise<Shard | undefined> {
  const [row] = await sql<ShardRow>(
    em,
    `select ${columns} from sync_shard where run_id = $1 and not done and holder is not null and pages >= $2 and last_key is not null
     order by random() limit 1`,
    [run, minPages],
  )
  return row && toShard(row)
}

/**
 * Splits a range at the key `at`: it keeps the keys up to `at`, and a new range, held by `holder`, lists the keys after it.
 * Undefined if the range has passed `at`, another worker has split it, or `at` is outside the range. Look ahead again before the next
 * try, because the range may be shorter.
 */
export async function splitShard(
  em: EntityManager,
  range: Shard,
  { at, holder, attempt }: { at: string; holder: string; attempt: number },
): Promise<Shard | undefined> {
  return em.fork().transactional(async (tx) => {
    // A statement sees what was committed before it began. The lock is a separate statement, so the next one sees the ranges of
    // all other splits, and no two ranges get the same number.
    if (!(await lockRun(tx, { id: range.run, attempt }))) return undefined
    const [row] = await sql<ShardRow>(
      tx,
      `with shortened as (
         update sync_shard set until = $3
         where run_id = $1 and number = $2 and not done and until is not distinct from $4
           and greatest(after, last_key, cursor) < $3 and last_key is not null and cursor is not null
           and (until is null or $3 < until)
         returning run_id)
       insert into sync_shard (run_id, number, after, until, holder, attempt)
       select $1, 1 + (select max(number) from sync_shard where run_id = $1), $3, $4, $5, $6 from shortened
       returning ${columns}`,
      [range.run, range.number, at, range.until, holder, attempt],
    )
    return row && toShard(row)
  })
}

// PostgreSQL's text cannot store every cursor and key. Such a value is stored as JSON after a mark that no usable key begins with.
const mark = '\u0001json:'

/** Encodes a cursor or key for the database. */
export const toStored = (text: string | null): string | null =>
  text !== null && (text.includes('\0') || !text.isWellFormed() || text.startsWith(mark))
    ? mark + JSON.stringify(text)
    : text

const fromStored = (text: string | null): string | null =>
  text?.startsWith(mark) ? (JSON.parse(text.slice(mark.length)) as string) : text

const columns = '*, clock_timestamp() as claimed_at'

interface ShardRow {
  run_id: string
  number: number
  attempt: number
  holder: string
  after: string | null
  until: string | null
  cursor: string | null
  last_key: string | null
  claimed_at: string
}

function toShard(row: ShardRow): Shard {
  return {
    run: Number(row.run_id),
    attempt: row.attempt,
    number: row.number,
    holder: row.holder,
    after: row.after,
    until: row.until,
    claimedAt: row.claimed_at,
    cursor: fromStored(row.cursor),
    lastKey: fromStored(row.last_key),
  }
}
