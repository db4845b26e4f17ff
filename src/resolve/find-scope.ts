import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import { inBatches } from '../batch.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import type { AccessCache } from '../events/access-cache.ts'
import { execute } from '../sql.ts'
import type { Mapping } from './url-mappings.ts'

/** A task or a project. */
export type TaskOrProject = { task: number } | { project: number }

/** What resolving needs to know of a project. */
export interface ProjectScope {
  project: number
  /** Encrypted key of its media tokens; null = none was created. */
  mediaKey: string | null
  storages: Storage[]
  /** Its URL mappings. */
  mappings: Mapping[]
  /** Whether it resolves http(s) addresses of its buckets. */
  httpsUrls: boolean
  /** The storage that the task was imported from. */
  linkedStorage: number | undefined
}

/** Finds a project, directly or by one of its tasks, with its import storages; undefined if it does not exist. */
export type FindScope = (subject: TaskOrProject) => Promise<ProjectScope | undefined>

interface Row {
  kind: 'task' | 'project' | 'storage' | 'mapping'
  id: string
  project: string
  storage: string | null
  text: string | null
}

/**
 * Concurrent lookups share one statement, which returns only the versions of storages; the row of a storage is read when its version is
 * new. Results are cached until a project, task or storage changes.
 */
export function createScopeFinder(em: EntityManager, cached: AccessCache['cached']): FindScope {
  const rows = new LRUCache<string, Storage>({ max: 5_000 })

  const storagesOf = async (found: Row[]) => {
    const nameOf = ({ id, text }: Row) => `${id}@${text}`
    const unknown = found.filter((row) => !rows.has(nameOf(row)))
    const read =
      unknown.length > 0 ? await em.fork().find(StorageEntity, { id: unknown.map(({ id }) => Number(id)) }) : []
    const fresh = new Map(read.map((storage) => [storage.id, storage]))
    const byProject = new Map<string, Storage[]>()
    for (const row of found) {
      const storage = rows.get(nameOf(row)) ?? fresh.get(Number(row.id))
      if (!storage) continue
      rows.set(nameOf(row), storage)
      const others = byProject.get(row.project)
      if (others) others.push(storage)
      else byProject.set(row.project, [storage])
    }
    return byProject
  }

  const load = inBatches(async (keys: string[]) => {
    const ids = (kind: string) => keys.filter((key) => key.startsWith(kind)).map((key) => key.slice(kind.length))
    const found = await execute<Row>(
      em,
      sql`with asked as (
         select t.id, t.project_id,
                (select l.storage_id from import_link l join storage s on s.id = l.storage_id
                 where l.task_id = t.id and s.detached_at is null order by l.id limit 1) as storage_id
         from task t where t.id = any(${ids('task:')}::bigint[])),
       projects as (
         select id, media_key, resolve_https_urls from project where id = any(${ids('project:')}::bigint[]) or id in (select project_id from asked))
       select 'task' as kind, id, project_id as project, storage_id as storage, null as text from asked
       union all select 'project', id, id, null, json_build_array(media_key, resolve_https_urls)::text from projects
       union all select 'storage', s.id, s.project_id, null, s.xmin::text
         from storage s join projects p on p.id = s.project_id where s.direction = 'IMPORT' and s.detached_at is null
       union all select 'mapping', m.storage_id, m.project_id, null, json_build_array(m.prefix, m.key_prefix)::text
         from url_mapping m join projects p on p.id = m.project_id`,
    )
    const byProject = await storagesOf(found.filter(({ kind }) => kind === 'storage'))
    const mappings = Map.groupBy(
      found.filter(({ kind }) => kind === 'mapping'),
      ({ project }) => project,
    )
    const projects = new Map<string, ProjectScope>()
    for (const { kind, id, text } of found) {
      if (kind !== 'project') continue
      const storages = byProject.get(id) ?? []
      const [mediaKey, httpsUrls]: [string | null, boolean] = JSON.parse(text!)
      projects.set(id, {
        project: Number(id),
        mediaKey,
        storages,
        httpsUrls,
        mappings: (mappings.get(id) ?? []).map(readMapping),
        linkedStorage: undefined,
      })
    }
    const scopes = new Map<string, ProjectScope>()
    for (const [id, project] of projects) scopes.set(`project:${id}`, project)
    for (const { kind, id, project, storage } of found) {
      const owner = kind === 'task' && projects.get(project)
      if (!owner) continue
      scopes.set(`task:${id}`, { ...owner, linkedStorage: storage === null ? undefined : Number(storage) })
    }
    return scopes
  })

  const find = cached(load, { max: 10_000 })
  return (subject) => find('task' in subject ? `task:${subject.task}` : `project:${subject.project}`)
}

function readMapping({ id, text }: Row): Mapping {
  const [prefix, keyPrefix]: [string, string | null] = JSON.parse(text!)
  return { prefix, storage: Number(id), keyPrefix }
}
