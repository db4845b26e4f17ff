import type { EntityManager } from '@mikro-orm/postgresql'
import type { Kysely, RawBuilder } from 'kysely'

/**
 * Runs one statement, composed with Kysely's `sql` tag, on the connection and in the transaction of `em`. Each `${value}` is
 * one parameter, also an array (`any(${ids}::bigint[])`), null or undefined. A nested `sql` fragment becomes part of the text.
 * The driver converts the values of rows: bigint to string, timestamps to text, json to parsed values.
 */
export async function execute<Row = Record<string, unknown>>(
  em: EntityManager,
  statement: RawBuilder<Row>,
): Promise<Row[]> {
  return (await statement.execute(clientOf(em))).rows
}

function clientOf(em: EntityManager): Kysely<unknown> {
  return em.getTransactionContext<Kysely<unknown>>() ?? em.getConnection().getClient()
}

/** The text as PostgreSQL can store it: U+FFFD in place of NUL, which the type `text` cannot contain. */
export const storableText = (text: string): string => text.replaceAll('\0', '\ufffd')
