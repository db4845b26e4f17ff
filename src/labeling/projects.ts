import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type Project, ProjectEntity } from '../entities/project.ts'
import { ConflictError, type FieldError, NotFoundError, ValidationError } from '../errors.ts'
import { execute } from '../sql.ts'
import { saveUrlMappings, type UrlMappingInput, urlMappingFaults } from './url-mappings.ts'

/** Settings of a project. Absent fields keep their value or get their default. */
interface ProjectInput {
  title?: string | null | undefined
  description?: string | null | undefined
  dataKey?: string | null | undefined
  annotationsPerTask?: number | null | undefined
  resolveHttpsUrls?: boolean | null | undefined
}

/** @throws ValidationError */
export async function createProject(em: EntityManager, input: ProjectInput): Promise<Project> {
  const faults = faultsOf({ title: '', ...input })
  if (faults.length > 0) throw new ValidationError(faults)
  const fork = em.fork()
  const project = fork.create(ProjectEntity, { title: '', ...withoutAbsent(input) })
  await fork.persist(project).flush()
  return project
}

/** `urlMappings` replaces all of them; an empty list removes them. @throws NotFoundError, ValidationError */
export async function updateProject(
  em: EntityManager,
  id: number,
  { urlMappings, ...input }: ProjectInput & { urlMappings?: UrlMappingInput[] | null | undefined },
): Promise<Project> {
  return em.fork().transactional(async (tx) => {
    const project = await tx.findOne(ProjectEntity, id)
    const mappingFaults = project && urlMappings ? await urlMappingFaults(tx, id, urlMappings) : []
    const faults = [...faultsOf(input), ...mappingFaults]
    if (faults.length > 0) throw new ValidationError(faults)
    if (!project) throw new NotFoundError('There is no such project.')
    tx.assign(project, { ...withoutAbsent(input), ...(urlMappings && { updatedAt: new Date() }) })
    await tx.flush()
    if (urlMappings) await saveUrlMappings(tx, id, urlMappings)
    return project
  })
}

/**
 * Deletes a project with everything in it: tasks in several transactions, the project in the last one. If it is interrupted, the
 * project remains with fewer tasks and can be deleted again.
 * @throws NotFoundError; ConflictError while it has an active sync; ConflictError PENDING_EXPORTS, unless `force` is set, if exports
 * are pending, also those of annotations that are saved during the deletion
 */
export async function deleteProject(em: EntityManager, id: number, options: { force?: boolean } = {}): Promise<void> {
  if ((await em.fork().count(ProjectEntity, { id })) === 0) throw new NotFoundError('There is no such project.')
  await assertDeletable(em.fork(), id, options)
  for (let after: number | null = 0; after !== null; ) {
    const from: number = after
    after = await em.fork().transactional(async (tx) => {
      const next = await deleteBlock(tx, id, from)
      await assertDeletable(tx, id, options)
      return next
    })
  }
  await em.fork().transactional(async (tx) => {
    // Saves of annotations lock in the same order: tasks, annotations, storages. Until the commit, there are none, and no run starts.
    await execute(
      tx,
      sql`with locked as materialized (select id from task where project_id = ${id} order by id for update)
       select count(*) from (select a.id from annotation a join locked t on t.id = a.task_id order by a.id for update of a) a`,
    )
    await execute(tx, sql`select id from storage where project_id = ${id} order by id for update`)
    await assertDeletable(tx, id, options)
    await execute(tx, sql`delete from project where id = ${id}`)
  })
}

/**
 * After tasks were deleted or locked in the same transaction, it also sees the pending exports of annotations that were saved before,
 * because that waits for these saves. @throws ConflictError as `deleteProject`
 */
async function assertDeletable(em: EntityManager, id: number, { force = false }: { force?: boolean }): Promise<void> {
  const [row] = await execute<{ active: boolean; pending: string }>(
    em,
    sql`select
       exists (select 1 from sync_run r join storage s on s.id = r.storage_id
         where s.project_id = ${id} and r.status in ('QUEUED', 'IN_PROGRESS')) as active,
       (select count(*) from outbox o join storage s on s.id = o.storage_id
         where s.project_id = ${id} and o.version > 0) as pending`,
  )
  if (row!.active) throw new ConflictError('A sync of this project is active. Cancel it first.')
  const pendingExports = Number(row!.pending)
  if (pendingExports > 0 && !force) {
    const message = `${pendingExports} changes are not written to the export storages of this project yet (pendingExports). Wait until they are written, or delete it with force: true, which loses them.`
    throw new ConflictError(message, 'PENDING_EXPORTS', { pendingExports })
  }
}

// PostgreSQL holds the foreign-key checks of all deleted tasks in memory until the end of the statement.
const tasksPerBlock = 10_000

/** Deletes the next full block of tasks after an inner id. Returns its last inner id; null if no full block is left. */
async function deleteBlock(tx: EntityManager, project: number, after: number): Promise<number | null> {
  const [end] = await execute<{ inner_id: string }>(
    tx,
    sql`select inner_id from task where project_id = ${project} and inner_id > ${after} order by inner_id offset ${tasksPerBlock - 1} limit 1`,
  )
  if (!end) return null
  const upTo = Number(end.inner_id)
  await execute(tx, sql`delete from task where project_id = ${project} and inner_id > ${after} and inner_id <= ${upTo}`)
  return upTo
}

function faultsOf({ title, dataKey, annotationsPerTask }: ProjectInput): FieldError[] {
  const faults: FieldError[] = []
  if (title !== undefined && !title?.trim()) faults.push({ path: 'input.title', message: 'must not be empty' })
  if (title && title.length > 500) faults.push({ path: 'input.title', message: 'has more than 500 characters' })
  if (dataKey === '') faults.push({ path: 'input.dataKey', message: 'must not be empty' })
  if (typeof annotationsPerTask === 'number' && annotationsPerTask < 1) {
    faults.push({ path: 'input.annotationsPerTask', message: 'must be at least 1' })
  }
  return faults
}

/** Null clears the description. In other fields it means absent. */
function withoutAbsent(input: ProjectInput): Partial<Project> {
  return Object.fromEntries(
    Object.entries(input).filter(([name, value]) => value !== undefined && (value !== null || name === 'description')),
  )
}
