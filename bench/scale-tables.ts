import { readFileSync } from 'node:fs'
import type pg from 'pg'
import { cpuSeconds } from './sluice-process.ts'

/** The tables that have a row for each object. */
export const objectTables = ['task', 'import_link']

/** A table or an index as it lies on disk. */
export interface Relation {
  name: string
  kind: 'table' | 'index'
  bytes: number
  /** Levels of a B-tree from its root to its leaves; null of a table. */
  levels: number | null
}

/** The tables with their indexes. What is stored out of line counts with its table. */
export async function relationsOf(db: pg.Client, tables: string[]): Promise<Relation[]> {
  const { rows } = await db.query(
    `select c.relname as name, 'table' as kind, pg_table_size(c.oid)::float8 as bytes, null::int as levels
     from pg_class c where c.relname = any($1) and c.relkind = 'r'
     union all
     select i.relname, 'index', pg_relation_size(i.oid)::float8, ((bt_metap(i.relname)).level + 1)::int
     from pg_class c join pg_index x on x.indrelid = c.oid join pg_class i on i.oid = x.indexrelid
     where c.relname = any($1) order by kind desc, name`,
    [tables],
  )
  return rows
}

/** Rows that are dead, as far as the statistics know. */
export async function deadRows(db: pg.Client, table: string): Promise<number> {
  await db.query('select pg_stat_force_next_flush()')
  await db.query('select pg_stat_clear_snapshot()')
  const { rows } = await db.query('select n_dead_tup::float8 as dead from pg_stat_user_tables where relname = $1', [
    table,
  ])
  return rows[0].dead
}

/** Processes of the server that answer clients, without `db`. */
async function backends(db: pg.Client): Promise<number[]> {
  const { rows } = await db.query(
    `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  )
  return rows.map(({ pid }) => pid)
}

/**
 * Seconds of processor time that all of them take during the work. A pool ends connections that are idle and opens others, so
 * this looks twice a second; the last half second of one that ends is lost.
 */
export async function backendSeconds(db: pg.Client, work: () => Promise<unknown>): Promise<number> {
  const seen = new Map<number, { first: number; last: number }>()
  const look = async () => {
    for (const pid of await backends(db)) {
      const now = orZero(() => cpuSeconds(pid))
      const known = seen.get(pid)
      if (known) known.last = Math.max(known.last, now)
      else seen.set(pid, { first: looks === 0 ? now : 0, last: now })
    }
    looks++
  }
  let looks = 0
  await look()
  const timer = setInterval(() => look().catch(() => {}), 500)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  await look()
  return [...seen.values()].reduce((sum, { first, last }) => sum + last - first, 0)
}

/** The most memory of its own (proc(5), `RssAnon`) that any of them had during the work, in bytes. */
export async function peakBackendBytes(db: pg.Client, work: () => Promise<unknown>): Promise<number> {
  const pids = await backends(db)
  let peak = 0
  const look = () => {
    for (const pid of pids)
      peak = Math.max(
        peak,
        orZero(() => ownBytes(pid)),
      )
  }
  const timer = setInterval(look, 50)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return peak
}

const ownBytes = (pid: number) =>
  Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024

/** A process may end between two looks. */
function orZero(look: () => number): number {
  try {
    return look()
  } catch {
    return 0
  }
}
