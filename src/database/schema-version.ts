import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import type { MikroORM } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { StartupError } from '../config.ts'
import { execute } from '../sql.ts'
import { migrations } from './migrations/index.ts'

/** The database has migrations that this version does not have. The message names both versions. */
class NewerSchemaError extends StartupError {
  readonly exitCode = 78
  constructor(found: string) {
    const { version } = JSON.parse(readFileSync(findPackageJSON(import.meta.url)!, 'utf8'))
    super(
      `The database belongs to a newer version of Sluice: its schema version is ${found}, and this version (${version}) knows ` +
        `schema versions up to ${migrations.at(-1)!.name}. Start the newer version, or restore a backup from before its first start.`,
    )
    this.name = 'NewerSchemaError'
  }
}

/** Migrations that were renamed after databases had recorded their former names. Such a migration must not run again. */
const formerNames: Record<string, string> = { '0008-task-origins': '0007-task-origins' }

/**
 * Compares the migrations that the database has recorded with those of this version, before any of them runs. Records of
 * renamed migrations get their current names. The caller must hold the lock on migrations.
 * @throws NewerSchemaError if the database has a migration that this version does not have.
 */
export async function compareSchemaVersions(orm: MikroORM): Promise<void> {
  const em = orm.em.fork()
  const [table] = await execute<{ exists: boolean }>(
    em,
    sql`select to_regclass('mikro_orm_migrations') is not null as exists`,
  )
  if (!table!.exists) return
  for (const [former, present] of Object.entries(formerNames)) {
    await execute(em, sql`update mikro_orm_migrations set name = ${present} where name = ${former}`)
  }
  const rows = await execute<{ name: string }>(em, sql`select name from mikro_orm_migrations order by name`)
  const known = new Set(migrations.map(({ name }) => name))
  const unknown = rows.filter(({ name }) => !known.has(name))
  if (unknown.length > 0) throw new NewerSchemaError(unknown.at(-1)!.name)
}
