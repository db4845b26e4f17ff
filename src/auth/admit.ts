import type { EntityManager } from '@mikro-orm/postgresql'
import { inBatches } from '../batch.ts'
import { NotFoundError } from '../errors.ts'
import { sql } from '../sql.ts'
import { mayRead } from './access.ts'
import type { Authenticator, Viewer } from './tokens.ts'

/** Something that can be watched, by its database id. */
export type Watched = { project: number } | { storage: number } | { run: number }

/**
 * Passes if the viewer may be told of the object; resolves to its project. The object is looked up anew each time; that the
 * viewer's token is valid may be remembered, until this process hears of a change (see AccessChanges). Many at a time cost at
 * most two statements.
 * @throws NotFoundError when there is no such object (any more) or the viewer may not know of it; SluiceError
 * UNAUTHENTICATED when the viewer's token was revoked.
 */
export type Admit = (viewer: Viewer, watched: Watched) => Promise<number>

/** Looks in the database of `em`; `recall` knows the tokens. */
export function createAdmit(em: EntityManager, recall: Authenticator['recall']): Admit {
  const projectOf = inBatches(async (keys: string[]) => {
    const ids = (kind: string) => keys.flatMap((key) => (key.startsWith(`${kind} `) ? key.slice(kind.length + 1) : []))
    const rows = await sql<{ key: string; project: string }>(
      em,
      `select 'project ' || id as key, id as project from project where id = any($1)
       union all select 'storage ' || id, project_id from storage where id = any($2)
       union all select 'run ' || r.id, s.project_id from sync_run r join storage s on s.id = r.storage_id
         where r.id = any($3)`,
      [ids('project'), ids('storage'), ids('run')],
    )
    return new Map(rows.map(({ key, project }) => [key, Number(project)]))
  })
  return async (viewer, watched) => {
    const [[kind, id] = []] = Object.entries(watched)
    const [project] = await Promise.all([projectOf(`${kind} ${id}`), recall(viewer.id)])
    if (project === undefined) throw new NotFoundError(`There is no such ${kind}.`)
    mayRead(viewer, project)
    return project
  }
}
