import { query } from '@sluice/testkit/sql.ts'

/** What a process of the version before relies on: the parts of the schema that decide whether its statements work. */
export interface SchemaParts {
  /** `table.column` → type, whether it must be set by who inserts, and whether it may be null. */
  columns: Record<string, { type: string; isNullable: boolean; isRequired: boolean }>
  /** `table.name` → columns and definition of unique indexes, checks and foreign keys. */
  rules: Record<string, { columns: string[]; definition: string }>
}

export async function readSchema(url: string): Promise<SchemaParts> {
  const columns = await query(
    url,
    `select c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as "isNullable",
       a.attnotnull and not a.atthasdef and a.attidentity = '' as "isRequired"
     from pg_attribute a join pg_class c on c.oid = a.attrelid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped`,
  )
  const rules = await query(
    url,
    `select c.relname || '.' || r.name as name, r.definition,
       array(select a.attname::text from pg_attribute a where a.attrelid = r.relation and a.attnum = any(r.keys) order by 1) as columns
     from (
       select conrelid as relation, conname as name, conkey::int[] as keys, pg_get_constraintdef(oid) as definition
       from pg_constraint where contype in ('c', 'f', 'x')
       union all
       select indrelid, indexrelid::regclass::text, indkey::int[], pg_get_indexdef(indexrelid) from pg_index where indisunique) r
     join pg_class c on c.oid = r.relation where c.relnamespace = 'public'::regnamespace`,
  )
  const byName = (rows: { name: string }[]) => Object.fromEntries(rows.map(({ name, ...rest }) => [name, rest]))
  return { columns: byName(columns), rules: byName(rules) } as unknown as SchemaParts
}

/** The values that a check such as `kind in ('A', 'B')` allows. */
const valuesOf = (definition: string) => [...definition.matchAll(/'([^']*)'/g)].map(([, value]) => value)

/** Why statements of the version before can fail after a migration: one sentence a fault, none if it breaks nothing. */
export function breaksOf(before: SchemaParts, after: SchemaParts): string[] {
  const tables = new Set(Object.keys(before.columns).map((name) => name.split('.')[0]))
  const faults: string[] = []
  for (const [name, { type, isNullable }] of Object.entries(before.columns)) {
    const now = after.columns[name]
    if (!now) faults.push(`${name} is gone`)
    else if (now.type !== type) faults.push(`${name} was ${type} and is ${now.type}`)
    else if (isNullable && !now.isNullable) faults.push(`${name} may no longer be null`)
  }
  for (const [name, { isRequired }] of Object.entries(after.columns)) {
    const isNew = !(name in before.columns) && tables.has(name.split('.')[0]!)
    if (isNew && isRequired) faults.push(`${name} is new, not null, and has no default`)
  }
  for (const [name, { columns, definition }] of Object.entries(after.rules)) {
    const table = name.split('.')[0]!
    const former = before.rules[name]
    if (!tables.has(table) || former?.definition === definition) continue
    const isWider = former && valuesOf(former.definition).every((value) => valuesOf(definition).includes(value))
    // A unique index with further columns refuses fewer rows than the one that it replaces.
    const isLooser =
      /^CREATE UNIQUE/.test(definition) &&
      Object.entries(before.rules).some(
        ([old, rule]) =>
          old.startsWith(`${table}.`) &&
          /^CREATE UNIQUE/.test(rule.definition) &&
          rule.columns.every((column) => columns.includes(column)),
      )
    const concernsOld = columns.some((column) => `${table}.${column}` in before.columns)
    if (concernsOld && !isLooser && !(isWider && /^CHECK/.test(definition)))
      faults.push(`${name} restricts columns that were there before`)
  }
  return faults
}
