import type { EntityManager, EntityName, FilterQuery } from '@mikro-orm/postgresql'
import { type PageInfoShape, resolveCursorConnection } from '@pothos/plugin-relay'
import { ValidationError } from '../errors.ts'
import { readRows } from '../read-rows.ts'

/** The arguments of a connection. */
interface PageArgs {
  first?: number | null | undefined
  last?: number | null | undefined
  before?: string | null | undefined
  after?: string | null | undefined
}

/** A page in the shape of the connection types. */
interface Page<T> {
  edges: { cursor: string; node: T }[]
  pageInfo: PageInfoShape
  countAll: () => Promise<number>
}

/** `by`: the number column that orders the rows. `without`: columns that are not read. */
interface PageOptions<T> {
  by?: keyof T & string
  without?: (keyof T & string)[]
}

const maxSize = 200

/**
 * Reads a page of rows, newest first. It uses keyset pagination on the id, or on another number that grows with the id (`by`).
 * Pages are stable while rows are added, and the last page is as fast as the first. At most 200 rows, 50 by default.
 */
export async function pageById<T extends object>(
  em: EntityManager,
  entity: EntityName<T>,
  where: FilterQuery<T>,
  args: PageArgs,
  { by = 'id' as keyof T & string, without = [] }: PageOptions<T> = {},
): Promise<Page<T>> {
  checkSize(args)
  const page = await resolveCursorConnection<Promise<T[]>>(
    { args, defaultSize: 50, maxSize, toCursor: (row) => String((row as T)[by]) },
    ({ before, after, limit, inverted }) =>
      readRows(
        em,
        entity,
        {
          $and: [
            where,
            ...(after === undefined ? [] : [{ [by]: { $lt: cursorId(after) } }]),
            ...(before === undefined ? [] : [{ [by]: { $gt: cursorId(before) } }]),
          ],
        } as never,
        { orderBy: { [by]: inverted ? 'asc' : 'desc' } as never, limit, exclude: without },
      ),
  )
  return { ...(page as Omit<Page<T>, 'countAll'>), countAll: () => em.fork().count(entity, where as never) }
}

function checkSize({ first, last }: PageArgs): void {
  for (const [path, size] of Object.entries({ first, last })) {
    if (typeof size === 'number' && (size < 0 || size > maxSize)) {
      throw new ValidationError([{ path, message: `must be from 0 to ${maxSize}` }])
    }
  }
}

function cursorId(cursor: string): number {
  if (/^\d{1,16}$/.test(cursor)) return Number(cursor)
  throw new ValidationError([{ path: 'after', message: 'is not a cursor of this list' }])
}
