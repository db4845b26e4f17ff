import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MikroORM } from '@mikro-orm/postgresql'
import { admin, databaseUrl } from '@sluice/testkit/postgres.ts'
import pg from 'pg'
import { inject } from 'vitest'
import { connectionOf, ormOptions } from '../../src/database/open.ts'

/** The rows of one table, as COPY writes them. */
export interface RecordedTable {
  name: string
  columns: string[]
  rows: string
}

const quoted = (names: string[]) => names.map((name) => `"${name}"`).join(', ')

/** Runs `work` with a connection that copies rows as they are, and a folder that the database can read and write. */
async function copying<T>(url: string, work: (db: pg.Client, folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-copy-'))
  chmodSync(folder, 0o777)
  const db = new pg.Client(connectionOf(url))
  await db.connect()
  try {
    // Without triggers and foreign keys, the order of the tables does not matter.
    await db.query(`set timezone = 'UTC'; set session_replication_role = replica`)
    return await work(db, folder)
  } finally {
    await db.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The names and columns of all tables, without the list of migrations. */
export async function tablesOf(url: string): Promise<Omit<RecordedTable, 'rows'>[]> {
  return copying(url, async (db) => {
    const { rows } = await db.query(
      `select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
         and c.relname <> 'mikro_orm_migrations'
       group by c.relname order by c.relname`,
    )
    return rows
  })
}

/** Reads these columns of these tables, in an order that depends only on their values. */
export async function readTables(url: string, tables: Omit<RecordedTable, 'rows'>[]): Promise<RecordedTable[]> {
  return copying(url, async (db, folder) => {
    const read: RecordedTable[] = []
    for (const { name, columns } of tables) {
      const file = join(folder, name)
      const rows = `select * from (select ${quoted(columns)} from "${name}") t order by t::text collate "C"`
      await db.query(`copy (${rows}) to '${file}'`)
      read.push({ name, columns, rows: readFileSync(file, 'utf8') })
    }
    return read
  })
}

/** Writes the rows into the tables, which must be empty, and moves their sequences on. */
async function fillTables(url: string, tables: RecordedTable[]): Promise<void> {
  await copying(url, async (db, folder) => {
    for (const { name, columns, rows } of tables) {
      const file = join(folder, name)
      writeFileSync(file, rows, { mode: 0o644 })
      await db.query(`copy "${name}" (${quoted(columns)}) from '${file}'`)
      if (!columns.includes('id')) continue
      const { rows: found } = await db.query(`select pg_get_serial_sequence('"${name}"', 'id') as sequence`)
      if (found[0].sequence) await db.query(`select setval($1, (select max(id) from "${name}"))`, [found[0].sequence])
    }
  })
}

/** Tables as one text, in the form of pg_dump. */
export const printTables = (tables: RecordedTable[]): string =>
  tables.map(({ name, columns, rows }) => `COPY ${name} (${columns.join(', ')})\n${rows}\\.\n`).join('\n')

/** The tables of a text of `printTables`. */
export const parseTables = (text: string): RecordedTable[] =>
  [...text.matchAll(/^COPY (\w+) \((.*)\)\n([\s\S]*?)^\\\.$/gm)].map(([, name, columns, rows]) => ({
    name: name!,
    columns: columns!.split(', '),
    rows: rows!,
  }))

/** A database at a migration, with the rows that were recorded there. `drop` closes the ORM and deletes the database. */
export async function openRecorded(migration: string) {
  const name = `recorded_${randomBytes(6).toString('hex')}`
  await admin(inject('postgres'), `create database ${name}`)
  const url = databaseUrl(inject('postgres'), name)
  const orm = await MikroORM.init({ ...ormOptions(url), logger: () => {} })
  const drop = async () => {
    await orm.close(true)
    await admin(inject('postgres'), `drop database if exists ${name} with (force)`)
  }
  await orm.migrator.up({ to: migration })
  const tables = parseTables(readFileSync(new URL(`tables/${migration}.copy`, import.meta.url), 'utf8'))
  await fillTables(url, tables)
  return { url, orm, tables, drop }
}
