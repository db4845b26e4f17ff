import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute, storableText } from '../sql.ts'
import type { Claim } from './lease.ts'
import type { Outcome } from './write.ts'

/** Seconds until the next try after `attempts` failed writes. */
export const waitSeconds = (attempts: number) => Math.min(30, 2 ** attempts)

/** The location or a setting of the storage that decides about its objects was changed after the work began. Nothing was committed. */
export class StorageChanged extends Error {
  constructor() {
    super('The storage was changed during an export.')
  }
}

/**
 * Commits the results of claims in the transaction of `tx`: it saves links of written objects and deletes the rows. If the row changed
 * meanwhile (a newer version, a deleted annotation or a lost lease), it stays queued, so that the newest state is written. A row
 * that a run created is deleted after a failure, too, because the run has an issue for it.
 * @throws StorageChanged if the storage has another version than the one that the results were written with
 */
export async function commitResults(
  tx: EntityManager,
  { storage, version, token }: { storage: number; version: number | undefined; token: string },
  outcomes: Outcome[],
): Promise<void> {
  const done = outcomes.flatMap((one) => (one.is === 'WRITTEN' || one.is === 'UNCHANGED' ? [one] : []))
  const annotationIds = [...new Set(done.flatMap(({ object }) => object.annotations))]
  // Saves and deletions lock in the same order: storage, annotations, outbox. Until the commit, the storage cannot change.
  const [present] = await execute<{ version: number }>(
    tx,
    sql`select version from storage where id = ${storage} for share`,
  )
  if (present && version !== undefined && present.version !== version) throw new StorageChanged()
  const existing = await execute<{ id: string }>(
    tx,
    sql`select id from annotation where id = any(${annotationIds}::bigint[]) order by id for key share`,
  )
  const existingIds = new Set(existing.map(({ id }) => Number(id)))
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
      object.annotations
        .filter((id) => existingIds.has(id))
        .map((annotation) => ({ annotation, key, hash: object.hash })),
    )
  if (links.length > 0) await execute(tx, upsertLinks(storage, links))

  const finished: number[] = []
  const toRequeue: number[] = []
  const toRetry: ToRetry[] = []
  for (const one of outcomes.filter(isHeld)) {
    const { claim } = one
    const isOvertaken = versions.get(claim.id) !== claim.version
    const lacksAnnotation = 'object' in one && one.object.annotations.some((id) => !existingIds.has(id))
    if (one.is === 'FAILED' || one.is === 'UNTRIED') {
      const wasCreatedByRun = claim.version === 0 && !isOvertaken && claim.key === null
      if (wasCreatedByRun) finished.push(claim.id)
      else toRetry.push(one)
    } else if (isOvertaken || lacksAnnotation || one.is === 'UNKNOWN') toRequeue.push(claim.id)
    else finished.push(claim.id)
  }
  if (finished.length > 0) await execute(tx, sql`delete from outbox where id = any(${finished}::bigint[])`)
  if (toRequeue.length > 0) await execute(tx, requeue(toRequeue))
  if (toRetry.length > 0) await execute(tx, postpone(toRetry))
  const withoutLease = outcomes.filter((one) => !isHeld(one) && (one.is === 'WRITTEN' || one.is === 'REMOVED'))
  if (withoutLease.length > 0) await execute(tx, enqueueAgain(storage, withoutLease))
}

type ToRetry = Extract<Outcome, { is: 'FAILED' | 'UNTRIED' }>

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

const requeue = (ids: number[]) => sql`
update outbox set lease = null, due_at = now(), attempts = 0, failure = null, version = greatest(version, 1)
where id = any(${ids}::bigint[])`

const postpone = (toRetry: ToRetry[]) => sql`
update outbox o set lease = null, attempts = o.attempts + f.tried, due_at = now() + make_interval(secs => f.wait),
  failure = coalesce(f.failure, o.failure), version = greatest(o.version, 1)
from unnest(
    ${toRetry.map(({ claim }) => claim.id)}::bigint[],
    ${toRetry.map(({ is }) => (is === 'FAILED' ? 1 : 0))}::int[],
    ${toRetry.map(({ claim }) => waitSeconds(claim.attempts + 1))}::float8[],
    ${toRetry.map((one) => (one.is === 'FAILED' ? storableText(one.error.message) : null))}::text[])
  as f (id, tried, wait, failure)
where o.id = f.id`

const enqueueAgain = (storage: number, withoutLease: Outcome[]) => sql`
insert into outbox (storage_id, kind, subject, key)
select s.id, l.kind, l.subject, l.key
from storage s, unnest(
    ${withoutLease.map(({ claim }) => claim.kind)}::text[],
    ${withoutLease.map(({ claim }) => claim.subject)}::bigint[],
    ${withoutLease.map((one) => ('key' in one ? one.key : one.claim.key))}::text[])
  as l (kind, subject, key)
where s.id = ${storage} order by l.subject
on conflict (storage_id, kind, subject) do update
set version = outbox.version + 1, key = coalesce(outbox.key, excluded.key)`
