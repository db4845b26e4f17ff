import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { inBatches } from '../batch.ts'
import { NotFoundError } from '../errors.ts'
import { execute } from '../sql.ts'
import { assertCanRead } from './access.ts'
import type { Authenticator, Viewer } from './tokens.ts'

/** What a subscription can watch, by its database id. */
export type Watched = { project: number } | { storage: number } | { run: number }

/**
 * Authorizes the viewer to watch the object, and resolves to its project. It reads the object each time; the validity of the
 * token can come from the cache (see AccessCache). Concurrent calls share at most two statements.
 * @throws NotFoundError if the object does not exist or the viewer may not see it; SluiceError UNAUTHENTICATED if the viewer's
 * token was revoked.
 */
export type Authorize = (viewer: Viewer, watched: Watched) => Promise<number>

/** Reads from the database of `em`; `getViewer` looks up tokens. */
export function createAuthorize(em: EntityManager, getViewer: Authenticator['getViewer']): Authorize {
  const projectOf = inBatches(async (keys: string[]) => {
    const ids = (kind: string) => keys.flatMap((key) => (key.startsWith(`${kind} `) ? key.slice(kind.length + 1) : []))
    const rows = await execute(
      em,
      sql<{
        key: string
        project: string
      }>`select 'project ' || id as key, id as project from project where id = any(${ids('project')})
       union all select 'storage ' || id, project_id from storage where id = any(${ids('storage')})
       union all select 'run ' || r.id, s.project_id from sync_run r join storage s on s.id = r.storage_id
         where r.id = any(${ids('run')})`,
    )
    return new Map(rows.map(({ key, project }) => [key, Number(project)]))
  })
  return async (viewer, watched) => {
    const [[kind, id] = []] = Object.entries(watched)
    const [project] = await Promise.all([projectOf(`${kind} ${id}`), getViewer(viewer.id)])
    if (project === undefined) throw new NotFoundError(`There is no such ${kind}.`)
    assertCanRead(viewer, project)
    return project
  }
}
