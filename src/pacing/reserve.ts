import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** The limits of a storage per second. Null: no limit. */
export interface Limits {
  requests: number | null
  bytes: number | null
}

type Unit = keyof Limits

/** Reads the limits of storages. A storage that was deleted is absent. */
export async function readLimits(em: EntityManager, storages: number[]): Promise<Map<number, Limits>> {
  const rows = await execute<{ id: string; requests: string | null; bytes: string | null }>(
    em.fork(),
    sql`select id, max_requests_per_second as requests, max_bytes_per_second as bytes from storage
     where id = any(${storages}::bigint[])`,
  )
  return new Map(
    rows.map(({ id, requests, bytes }) => [Number(id), { requests: toNumber(requests), bytes: toNumber(bytes) }]),
  )
}

const toNumber = (value: string | null) => (value === null ? null : Number(value))

const columns = {
  requests: { limit: sql.ref('max_requests_per_second'), until: sql.ref('requests_until') },
  bytes: { limit: sql.ref('max_bytes_per_second'), until: sql.ref('bytes_until') },
}

interface Request {
  storage: number
  unit: Unit
  amount: number
}

/**
 * The row of a storage contains the time until which its budget is reserved. A reservation begins at that time, or now if it
 * has passed. So all processes are served in the order of their statements, and together do not exceed the limit.
 */
function reservation({ storage, unit, amount }: Request) {
  const { limit, until } = columns[unit]
  return sql<{ per_second: number; until_ms: number }>`
    with allowed as (
      select id, ${limit}::float8 as per_second from storage where id = ${storage} and ${limit} is not null)
    insert into storage_budget as budget (storage_id, ${until})
    select id, clock_timestamp() + make_interval(secs => ${amount}::float8 / per_second) from allowed
    on conflict (storage_id) do update set ${until} =
      greatest(budget.${until}, clock_timestamp())
        + make_interval(secs => ${amount}::float8 / (select per_second from allowed))
    returning (select per_second from allowed) as per_second,
      1000 * extract(epoch from budget.${until} - clock_timestamp())::float8 as until_ms`
}

/** Part of the budget of a storage. This process may use it after `inMs` milliseconds. */
export interface Reservation {
  amount: number
  perSecond: number
  inMs: number
}

/** Reserves requests or bytes of a storage. Undefined if it has no limit any more, or was deleted. */
export async function reserve(em: EntityManager, request: Request): Promise<Reservation | undefined> {
  const [row] = await execute(em.fork(), reservation(request))
  if (!row) return undefined
  const { amount } = request
  const perSecond = Number(row.per_second)
  return { amount, perSecond, inMs: Number(row.until_ms) - (1_000 * amount) / perSecond }
}
