import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { ExportFormat, Storage } from '../entities/storage.ts'
import { execute } from '../sql.ts'

/** A row of the outbox that this process may export until its lease expires. */
export interface Claim {
  id: number
  kind: ExportFormat
  subject: number
  /** Version of the row before the state of the subject was read. */
  version: number
  attempts: number
  /** Key of the object that an earlier attempt wrote or may have written; null if no attempt did. */
  key: string | null
}

/** The lease expired before the work was complete, so another worker may have claimed the rows. */
export class LeaseLost extends Error {
  constructor() {
    super('The lease on pending exports has ended.')
  }
}

/**
 * Claims rows of the outbox and renews them, so that one process at a time writes the object of a subject. The database's clock
 * decides when a lease expires. `signal` aborts if a renewal came too late, as after a pause of the process, and when `stop` aborts.
 */
export interface Lease {
  readonly token: string
  readonly signal: AbortSignal
  /** Claims up to `limit` due rows of the storage, oldest first. */
  claimDue(storage: number, limit: number): Promise<Claim[]>
  /** Claims the rows of the subjects that no other worker has claimed; creates rows for subjects without one. */
  claim(storage: Pick<Storage, 'id'> & { exportFormat: ExportFormat }, subjects: number[]): Promise<Claim[]>
  /** Records the keys before the objects are written, so that they are found even if this process dies. */
  recordKeys(keys: { id: number; key: string }[]): Promise<void>
  /** Stops renewing these rows. */
  release(ids: number[]): void
  end(): void
}

/** Opens a lease that expires after `seconds` without a renewal. */
export function openLease(em: EntityManager, seconds: number, stop: AbortSignal): Lease {
  const token = randomUUID()
  const held = new Set<number>()
  const lost = new AbortController()
  let renewedAt = performance.now()
  const renew = async () => {
    if (performance.now() - renewedAt > seconds * 1_000) lost.abort(new LeaseLost())
    if (held.size === 0) renewedAt = performance.now()
    else {
      const startedAt = performance.now()
      await execute(em, renewal([...held], { token, seconds }))
      renewedAt = startedAt
    }
  }
  const timer = setInterval(() => renew().catch(() => {}), (seconds * 1_000) / 5)
  const track = (rows: ClaimRow[]): Claim[] => {
    const claims = rows.map((row) => ({ ...row, id: Number(row.id), subject: Number(row.subject) }))
    for (const { id } of claims) held.add(id)
    return claims
  }
  return {
    token,
    signal: AbortSignal.any([lost.signal, stop]),
    async claimDue(storage, limit) {
      return track(await execute(em, dueClaim({ storage, limit }, { token, seconds })))
    },
    async claim({ id, exportFormat }, subjects) {
      return track(await execute(em, subjectClaim({ storage: id, exportFormat, subjects }, { token, seconds })))
    },
    async recordKeys(keys) {
      await execute(
        em,
        sql`update outbox o set key = k.key
         from unnest(${keys.map(({ id }) => id)}::bigint[], ${keys.map(({ key }) => key)}::text[]) as k (id, key)
         where o.id = k.id and o.lease = ${token} and o.key is distinct from k.key`,
      )
    },
    release(ids) {
      for (const id of ids) held.delete(id)
    },
    end() {
      clearInterval(timer)
    },
  }
}

type ClaimRow = Omit<Claim, 'id' | 'subject'> & Record<'id' | 'subject', string>

interface LeaseTerms {
  token: string
  seconds: number
}

const expiry = (seconds: number) => sql`now() + make_interval(secs => ${seconds})`

// Skips locked rows: this process commits their results or records their keys.
const renewal = (ids: number[], { token, seconds }: LeaseTerms) => sql`
update outbox o set due_at = ${expiry(seconds)}
from (select id from outbox where id = any(${ids}::bigint[]) and lease = ${token} for update skip locked) kept
where o.id = kept.id`

const dueClaim = (
  { storage, limit }: { storage: number; limit: number },
  { token, seconds }: LeaseTerms,
) => sql<ClaimRow>`
update outbox o set lease = ${token}, due_at = ${expiry(seconds)}
from (
  select id from outbox
  where storage_id = ${storage} and due_at <= now()
    and exists (select 1 from storage s where s.id = ${storage} and s.synchronizable)
  order by due_at, id limit ${limit} for update skip locked) due
where o.id = due.id
returning o.id, o.kind, o.subject, o.version, o.attempts, o.key`

// Rows that wait for their next automatic try are claimed, too: a requested export does not wait.
const subjectClaim = (
  { storage, exportFormat, subjects }: { storage: number; exportFormat: ExportFormat; subjects: number[] },
  { token, seconds }: LeaseTerms,
) => sql<ClaimRow>`
insert into outbox (storage_id, kind, subject, version, lease, due_at)
select ${storage}, ${exportFormat}, subject, 0, ${token}, ${expiry(seconds)}
from unnest(${subjects}::bigint[]) as subject order by subject
on conflict (storage_id, kind, subject) do update set lease = excluded.lease, due_at = excluded.due_at
where outbox.lease is null or outbox.due_at <= now()
returning id, kind, subject, version, attempts, key`
