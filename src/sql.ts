import type { EntityManager } from '@mikro-orm/postgresql'
import { CompiledQuery, type Kysely } from 'kysely'

/**
 * Runs one statement with `$1 …` parameters on the connection, and inside the transaction, of `em`. Parameters go to the
 * server apart from the text, so an array is one parameter (`unnest($1::text[])`) whatever its length. Rows come back as
 * the driver reads them: bigint as string, timestamps as text, json parsed.
 */
export async function sql<Row = Record<string, unknown>>(
  em: EntityManager,
  text: string,
  params: unknown[] = [],
): Promise<Row[]> {
  const client = (em.getTransactionContext() ?? em.getConnection().getClient()) as unknown as Kysely<unknown>
  const result = await client.executeQuery<Row>(CompiledQuery.raw(text, params))
  return result.rows
}
