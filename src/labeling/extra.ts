import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type JsonObject, parseJson } from '../json.ts'
import { execute } from '../sql.ts'

/**
 * Removes fields of the imported file from labels for which they are no longer true, because a client has changed them. Runs in the
 * transaction of `tx`, after the rows were locked. Numbers of the other fields keep all their digits.
 */
export async function dropExtra(
  tx: EntityManager,
  table: 'annotation' | 'prediction',
  { ids, fields }: { ids: number[]; fields: string[] },
): Promise<void> {
  if (ids.length === 0) return
  const rows = await execute<{ id: string; extra: string }>(
    tx,
    sql`select id, extra::text as extra from ${sql.table(table)} where id = any(${ids}::bigint[]) and extra is not null`,
  )
  const changed = rows.flatMap(({ id, extra }) => {
    const all = Object.entries(parseJson(extra) as JsonObject)
    const others = all.filter(([name]) => !fields.includes(name))
    if (others.length === all.length) return []
    return [{ id, extra: others.length === 0 ? null : JSON.stringify(Object.fromEntries(others)) }]
  })
  if (changed.length === 0) return
  await execute(
    tx,
    sql`update ${sql.table(table)} l set extra = c.extra::json
     from unnest(${changed.map(({ id }) => id)}::bigint[], ${changed.map(({ extra }) => extra)}::text[]) as c (id, extra)
     where l.id = c.id`,
  )
}
