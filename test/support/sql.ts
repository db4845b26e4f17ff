import pg from 'pg'
import { connectionOf } from '../../src/database/open.ts'

/** Runs one statement in the database at `url` and returns its rows. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
export async function query(url: string, text: string, params: unknown[] = []): Promise<any[]> {
  const client = new pg.Client(connectionOf(url))
  await client.connect()
  try {
    return (await client.query(text, params)).rows
  } finally {
    await client.end()
  }
}

/**
 * The SQL statements that this process sends while `work` runs. The job queue's own polling, which goes by the clock, is
 * left out.
 */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = []
  const original = pg.Client.prototype.query
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args
    const text = typeof first === 'string' ? first : ((first as { text?: string } | undefined)?.text ?? '')
    if (!text.includes('agenda_jobs')) seen.push(text)
    return (original as (...args: unknown[]) => unknown).apply(this, args)
  } as typeof original
  try {
    await work()
  } finally {
    pg.Client.prototype.query = original
  }
  return seen
}

/** Resolves with the first truthy answer of `probe`, asked again and again; the test's own timeout is the limit. */
export async function until<T>(probe: () => Promise<T> | T): Promise<NonNullable<T>> {
  for (;;) {
    const answer = await probe()
    if (answer) return answer
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
