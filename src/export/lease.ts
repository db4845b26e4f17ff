import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { ExportFormat, Storage } from '../entities/storage.ts'
import { sql } from '../sql.ts'

/** A row of the outbox that this process may work on until its lease ends. */
export interface Claim {
  id: number
  kind: ExportFormat
  subject: number
  /** What its version was before the subject's state was read. */
  version: number
  attempts: number
  /** The object that was written before, or may have been; null = none. */
  key: string | null
}

/** The lease ended before its work did: another worker may have the rows by now. */
export class LeaseLost extends Error {
  constructor() {
    super('The lease on pending exports has ended.')
  }
}

/**
 * Takes rows of the outbox and keeps them for as long as it lives: of all processes only one at a time writes the object of a
 * subject. Leases are in the time of the database; `signal` aborts when they could not be renewed in time, as after a pause of
 * the process, and with what `stop` aborts for.
 */
export interface Lease {
  readonly token: string
  readonly signal: AbortSignal
  /** Up to `limit` rows of the storage whose time has come, oldest first. */
  claimDue(storage: number, limit: number): Promise<Claim[]>
  /** Those of the subjects that nobody else is working on now; rows are made for those that have none. */
  claim(storage: Pick<Storage, 'id'> & { exportFormat: ExportFormat }, subjects: number[]): Promise<Claim[]>
  /** Notes which objects will be written, so that they are found even if nobody lives to tell that they were. */
  noteKeys(keys: { id: number; key: string }[]): Promise<void>
  /** The rows are done with. */
  letGo(ids: number[]): void
  end(): void
}

/** Opens a lease whose rows return after `seconds` without a sign of life. */
export function openLease(em: EntityManager, seconds: number, stop: AbortSignal): Lease {
  const token = randomUUID()
  const held = new Set<number>()
  const lost = new AbortController()
  let renewedAt = performance.now()
  const keep = async () => {
    if (performance.now() - renewedAt > seconds * 1_000) lost.abort(new LeaseLost())
    if (held.size === 0) renewedAt = performance.now()
    else {
      const asked = performance.now()
      await sql(em, renewal, [[...held], token, seconds])
      renewedAt = asked
    }
  }
  const timer = setInterval(() => keep().catch(() => {}), (seconds * 1_000) / 5)
  const take = (rows: Record<string, unknown>[]): Claim[] => {
    const claims = rows.map((row) => ({ ...row, id: Number(row.id), subject: Number(row.subject) }) as Claim)
    for (const { id } of claims) held.add(id)
    return claims
  }
  return {
    token,
    signal: AbortSignal.any([lost.signal, stop]),
    async claimDue(storage, limit) {
      return take(await sql(em, dueClaim, [storage, token, seconds, limit]))
    },
    async claim({ id, exportFormat }, subjects) {
      return take(await sql(em, subjectClaim, [id, exportFormat, token, seconds, subjects]))
    },
    async noteKeys(keys) {
      await sql(
        em,
        `update outbox o set key = k.key from unnest($1::bigint[], $2::text[]) as k (id, key)
         where o.id = k.id and o.lease = $3 and o.key is distinct from k.key`,
        [keys.map(({ id }) => id), keys.map(({ key }) => key), token],
      )
    },
    letGo(ids) {
      for (const id of ids) held.delete(id)
    },
    end() {
      clearInterval(timer)
    },
  }
}

// A row that is locked is being settled, or noted, in this process.
const renewal = `
update outbox o set due_at = now() + make_interval(secs => $3)
from (select id from outbox where id = any($1::bigint[]) and lease = $2 for update skip locked) kept
where o.id = kept.id`

const dueClaim = `
update outbox o set lease = $2, due_at = now() + make_interval(secs => $3)
from (
  select id from outbox where storage_id = $1 and due_at <= now() order by due_at, id limit $4 for update skip locked) due
where o.id = due.id
returning o.id, o.kind, o.subject, o.version, o.attempts, o.key`

// A row that waits for its next try is taken at once: who asks for an export does not wait for an automatic one.
const subjectClaim = `
insert into outbox (storage_id, kind, subject, version, lease, due_at)
select $1, $2, subject, 0, $3, now() + make_interval(secs => $4) from unnest($5::bigint[]) as subject order by subject
on conflict (storage_id, kind, subject) do update set lease = excluded.lease, due_at = excluded.due_at
where outbox.lease is null or outbox.due_at <= now()
returning id, kind, subject, version, attempts, key`
