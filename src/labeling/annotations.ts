import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type Annotation, AnnotationEntity } from '../entities/annotation.ts'
import { NotFoundError } from '../errors.ts'
import type { Json } from '../json.ts'
import { execute } from '../sql.ts'
import { assertLists, assertMaxItems, assertSeconds, assertSize } from './bounds.ts'
import { recordDeleted } from './deleted-labels.ts'
import { dropExtra } from './extra.ts'
import { queueExports, queueRemovals } from './outbox.ts'

/** The labels of a person for a task. */
interface NewAnnotation {
  task: number
  result: Json
  wasCancelled?: boolean | null | undefined
  leadTimeSeconds?: number | null | undefined
}

/** Changes to an annotation. Absent fields keep their value. */
interface AnnotationChanges {
  id: number
  result?: Json | undefined
  wasCancelled?: boolean | null | undefined
  leadTimeSeconds?: number | null | undefined
}

/** Who saves annotations: name, and id of the `Viewer`. */
interface Author {
  id: string
  name: string
}

// The id of the admin token contains part of its digest, which is not public.
const authorOf = ({ id }: Author) => (id.startsWith('admin:') ? 'admin' : id)

/**
 * Creates at most 1,000 annotations, all or none, and queues their exports in the same commit.
 * @throws ValidationError; NotFoundError if one of the tasks does not exist
 */
export async function createAnnotations(
  em: EntityManager,
  viewer: Author,
  annotations: NewAnnotation[],
): Promise<Annotation[]> {
  assertMaxItems(annotations)
  assertSeconds(annotations)
  assertSize(annotations)
  assertLists(annotations)
  return em.fork().transactional(async (tx) => {
    await lockTasks(
      tx,
      annotations.map(({ task }) => task),
    )
    const made = await execute<{ id: string }>(
      tx,
      sql`insert into annotation (task_id, result, was_cancelled, lead_time_seconds, completed_by, author)
       select n.task, n.result::json, n.cancelled, n.lead_time, ${viewer.name}, ${authorOf(viewer)}
       from unnest(
           ${annotations.map(({ task }) => task)}::bigint[],
           ${annotations.map(({ result }) => JSON.stringify(result))}::text[],
           ${annotations.map(({ wasCancelled }) => wasCancelled ?? false)}::bool[],
           ${annotations.map(({ leadTimeSeconds }) => leadTimeSeconds ?? null)}::float8[])
         with ordinality as n (task, result, cancelled, lead_time, at) order by n.at
       returning id`,
    )
    return saved(
      tx,
      made.map(({ id }) => Number(id)),
    )
  })
}

/**
 * Changes at most 1,000 annotations, all or none, and queues their exports in the same commit.
 * @throws ValidationError; NotFoundError if one of them does not exist
 */
export async function updateAnnotations(em: EntityManager, changes: AnnotationChanges[]): Promise<Annotation[]> {
  assertMaxItems(changes)
  assertSeconds(changes)
  assertSize(changes)
  assertLists(changes)
  const ids = changes.map(({ id }) => id)
  return em.fork().transactional(async (tx) => {
    await lockAnnotations(tx, ids)
    await execute(
      tx,
      sql`update annotation a set result = coalesce(c.result::json, a.result),
         was_cancelled = coalesce(c.cancelled, a.was_cancelled),
         lead_time_seconds = case when c.sets_lead_time then c.lead_time else a.lead_time_seconds end, updated_at = now()
       from unnest(
           ${ids}::bigint[],
           ${changes.map(({ result }) => (result === undefined ? null : JSON.stringify(result)))}::text[],
           ${changes.map(({ wasCancelled }) => wasCancelled ?? null)}::bool[],
           ${changes.map(({ leadTimeSeconds }) => leadTimeSeconds !== undefined)}::bool[],
           ${changes.map(({ leadTimeSeconds }) => leadTimeSeconds ?? null)}::float8[])
         as c (id, result, cancelled, sets_lead_time, lead_time)
       where a.id = c.id`,
    )
    const changed = changes.filter(
      ({ result, leadTimeSeconds }) => result !== undefined || leadTimeSeconds !== undefined,
    )
    await dropExtra(tx, 'annotation', { ids: changed.map(({ id }) => id), fields: ['result_count', 'lead_time'] })
    return saved(tx, ids)
  })
}

/**
 * Deletes at most 1,000 annotations and their links, and queues the removal of their objects in the same commit. Returns the number
 * that existed. @throws ValidationError
 */
export async function deleteAnnotations(em: EntityManager, ids: number[]): Promise<number> {
  assertMaxItems(ids)
  return em.fork().transactional(async (tx) => {
    await execute(tx, sql`select id from annotation where id = any(${ids}::bigint[]) order by id for update`)
    await queueRemovals(tx, ids)
    await recordDeleted(tx, 'ANNOTATION', ids)
    return (await execute(tx, sql`delete from annotation where id = any(${ids}::bigint[]) returning id`)).length
  })
}

async function saved(tx: EntityManager, ids: number[]): Promise<Annotation[]> {
  await queueExports(tx, ids)
  const rows = new Map((await tx.find(AnnotationEntity, { id: ids })).map((row) => [row.id, row]))
  return ids.map((id) => rows.get(id)!)
}

/** Locks the tasks against deletion until the commit. @throws NotFoundError */
export async function lockTasks(tx: EntityManager, ids: number[]): Promise<void> {
  const wanted = [...new Set(ids)]
  const found = await execute(
    tx,
    sql`select id from task where id = any(${wanted}::bigint[]) order by id for key share`,
  )
  if (found.length < wanted.length) throw new NotFoundError('There is no such task. Nothing was saved.')
}

async function lockAnnotations(tx: EntityManager, ids: number[]): Promise<void> {
  const found = await execute(
    tx,
    sql`select id from annotation where id = any(${ids}::bigint[]) order by id for no key update`,
  )
  if (found.length < new Set(ids).size) throw new NotFoundError('There is no such annotation. Nothing was saved.')
}
