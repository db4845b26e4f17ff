import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'
import type { Claim } from './lease.ts'
import type { Outcome } from './write.ts'

/** Seconds until the next try after `attempts` failed writes. */
export const waitSeconds = (attempts: number) => Math.min(30, 2 ** attempts)

/**
 * Commits the results of claims in the transaction of `tx`: it saves links of written objects and deletes the rows. If the row changed
 * meanwhile (a newer version, a deleted annotation or a lost lease), it stays queued, so that the newest state is written. A row
 * that a run created is deleted after a failure, too, because the run has an issue for it.
 */
export async function settleClaims(
  tx: EntityManager,
  { storage, token }: { storage: number; token: string },
  outcomes: Outcome[],
): Promise<void> {
  const done = outcomes.flatMap((one) => (one.is === 'WRITTEN' || one.is === 'UNCHANGED' ? [one] : []))
  const wanted = [...new Set(done.flatMap(({ object }) => object.annotations))]
  // Locks are taken in the same order as by saves and deletions: storage, annotations, outbox.
  await execute(tx, sql`select id from storage where id = ${storage} for key share`)
  const existing = await execute<{ id: string }>(
    tx,
    sql`select id from annotation where id = any(${wanted}::bigint[]) order by id for key share`,
  )
  const there = new Set(existing.map(({ id }) => Number(id)))
  const rows = await execute<{ id: string; version: number }>(
    tx,
    sql`select id, version from outbox
     where id = any(${outcomes.map(({ claim }) => claim.id)}::bigint[]) and lease = ${token}
     order by storage_id, subject for update`,
  )
  const versions = new Map(rows.map(({ id, version }) => [Number(id), version]))
  const isHeld = ({ claim }: { claim: Claim }) => versions.has(claim.id)

  const links = done
    .filter(isHeld)
    .flatMap(({ key, object }) =>
      object.annotations.filter((id) => there.has(id)).map((annotation) => ({ annotation, key, hash: object.hash })),
    )
  if (links.length > 0) await execute(tx, upsertLinks(storage, links))

  const ended: number[] = []
  const again: number[] = []
  const waits: Waiting[] = []
  for (const one of outcomes.filter(isHeld)) {
    const { claim } = one
    const isOvertaken = versions.get(claim.id) !== claim.version
    const lacksSome = 'object' in one && one.object.annotations.some((id) => !there.has(id))
    if (one.is === 'FAILED' || one.is === 'UNTRIED') {
      const isOnlyOfRun = claim.version === 0 && !isOvertaken && claim.key === null
      if (isOnlyOfRun) ended.push(claim.id)
      else waits.push(one)
    } else if (isOvertaken || lacksSome || one.is === 'UNKNOWN') again.push(claim.id)
    else ended.push(claim.id)
  }
  if (ended.length > 0) await execute(tx, sql`delete from outbox where id = any(${ended}::bigint[])`)
  if (again.length > 0) await execute(tx, putBack(again))
  if (waits.length > 0) await execute(tx, postpone(waits))
  const lost = outcomes.filter((one) => !isHeld(one) && (one.is === 'WRITTEN' || one.is === 'REMOVED'))
  if (lost.length > 0) await execute(tx, writeAgain(storage, lost))
}

type Waiting = Extract<Outcome, { is: 'FAILED' | 'UNTRIED' }>

const upsertLinks = (storage: number, links: { annotation: number; key: string; hash: string }[]) => sql`
insert into export_link (storage_id, annotation_id, key, hash)
select ${storage}, l.annotation, l.key, l.hash
from unnest(
    ${links.map(({ annotation }) => annotation)}::bigint[],
    ${links.map(({ key }) => key)}::text[],
    ${links.map(({ hash }) => hash)}::text[])
  as l (annotation, key, hash)
order by l.annotation
on conflict (storage_id, annotation_id) do update
set key = excluded.key, hash = excluded.hash, object_exists = true, updated_at = now()`

const putBack = (ids: number[]) => sql`
update outbox set lease = null, due_at = now(), attempts = 0, failure = null, version = greatest(version, 1)
where id = any(${ids}::bigint[])`

const postpone = (waits: Waiting[]) => sql`
update outbox o set lease = null, attempts = o.attempts + f.tried, due_at = now() + make_interval(secs => f.wait),
  failure = coalesce(f.failure, o.failure), version = greatest(o.version, 1)
from unnest(
    ${waits.map(({ claim }) => claim.id)}::bigint[],
    ${waits.map(({ is }) => (is === 'FAILED' ? 1 : 0))}::int[],
    ${waits.map(({ claim }) => waitSeconds(claim.attempts + 1))}::float8[],
    ${waits.map((one) => (one.is === 'FAILED' ? one.fault.message.replaceAll('\0', '\ufffd') : null))}::text[])
  as f (id, tried, wait, failure)
where o.id = f.id`

const writeAgain = (storage: number, lost: Outcome[]) => sql`
insert into outbox (storage_id, kind, subject, key)
select s.id, l.kind, l.subject, l.key
from storage s, unnest(
    ${lost.map(({ claim }) => claim.kind)}::text[],
    ${lost.map(({ claim }) => claim.subject)}::bigint[],
    ${lost.map((one) => ('key' in one ? one.key : one.claim.key))}::text[])
  as l (kind, subject, key)
where s.id = ${storage} order by l.subject
on conflict (storage_id, kind, subject) do update
set version = outbox.version + 1, key = coalesce(outbox.key, excluded.key)`
