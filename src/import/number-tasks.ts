import { type RawBuilder, sql } from 'kysely'

/**
 * SQL: the common table expression `numbered`, which allocates the inner ids of `amount.fresh` new tasks. The first one is `base` + 1.
 * It locks the project, so numbers and ids of links are in the order of commits.
 */
export const numbered = (project: number): RawBuilder<unknown> => sql`numbered as (
  update project set last_inner_id = last_inner_id + amount.fresh from amount
  where project.id = ${project} and amount.fresh > 0
  returning last_inner_id - amount.fresh as base)`
