import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { inBatches } from '../batch.ts'
import { type Subject, subjectTypes } from '../entities/event.ts'
import { NotFoundError } from '../errors.ts'
import { nameOf, subjectRows } from '../events/subjects.ts'
import { execute } from '../sql.ts'
import { assertCanRead } from './access.ts'
import type { Authenticator, Viewer } from './tokens.ts'

/**
 * Authorizes the viewer to watch the subject, and resolves to its project. It reads the subject each time; the validity of the
 * token can come from the cache (see AccessCache). Concurrent calls share at most two statements.
 * @throws NotFoundError if the subject does not exist or the viewer may not see it; SluiceError UNAUTHENTICATED if the viewer's
 * token was revoked.
 */
export type Authorize = (viewer: Viewer, watched: Subject) => Promise<number>

/** Reads from the database of `em`; `getViewer` looks up tokens. */
export function createAuthorize(em: EntityManager, getViewer: Authenticator['getViewer']): Authorize {
  const projectOf = inBatches(async (keys: string[]) => {
    const reads = subjectTypes.flatMap((type) => {
      const ids = keys.flatMap((key) => (key.startsWith(`${type} `) ? key.slice(type.length + 1) : []))
      if (ids.length === 0) return []
      return sql`select ${type}::text || ' ' || id as key, project from (${subjectRows[type]}) s where id = any(${ids}::bigint[])`
    })
    const rows = await execute(em, sql<{ key: string; project: string }>`${sql.join(reads, sql` union all `)}`)
    return new Map(rows.map(({ key, project }) => [key, Number(project)]))
  })
  return async (viewer, watched) => {
    const [project] = await Promise.all([projectOf(nameOf(watched)), getViewer(viewer.id)])
    if (project === undefined) throw new NotFoundError(`There is no such ${watched.type.toLowerCase()}.`)
    assertCanRead(viewer, project)
    return project
  }
}
