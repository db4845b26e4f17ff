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
 * Repeats `work` when PostgreSQL ends it because of a deadlock (SQLSTATE 40P01). A change of a storage by SQL locks the storage and then
 * its runs, and the end of a run locks in the other order.
 */
export async function despiteDeadlocks<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof pg.DatabaseError && error.code === '40P01') || tries === 5) throw error
    }
  }
}

/** A statement as it was sent. */
export interface Sent {
  text: string
  params: unknown[]
}

/** Adds the SQL statements that this process sends from now on to `sent`, until what it returns is called. */
export function watchStatements(sent: Sent[]): () => void {
  const original = pg.Client.prototype.query
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first, second] = args
    const { text, values } = (typeof first === 'string' ? { text: first, values: second } : first) as {
      text?: string
      values?: unknown
    }
    sent.push({ text: text ?? '', params: Array.isArray(values) ? values : Array.isArray(second) ? second : [] })
    return (original as (...args: unknown[]) => unknown).apply(this, args)
  } as typeof original
  return () => {
    pg.Client.prototype.query = original
  }
}

/** What goes by the clock: the polling of the job queue and of the periodic tasks, and the heartbeat of workers. */
const periodic = /agenda_jobs|insert into worker |select name from round where due_at/

/** The SQL statements that this process sends while `work` runs, without those that go by the clock. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const sent: Sent[] = []
  const end = watchStatements(sent)
  try {
    await work()
  } finally {
    end()
  }
  return sent.map(({ text }) => text).filter((text) => !periodic.test(text))
}

/**
 * Resolves with the first truthy answer of `probe`, which is asked again and again.
 * @throws Error after `seconds` without one, which says what was waited for: `what`, or else the text of the probe.
 */
export async function until<T>(
  probe: () => Promise<T> | T,
  { what = String(probe), seconds = 20 }: { what?: string; seconds?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + seconds * 1_000
  for (;;) {
    const answer = await probe()
    if (answer) return answer
    if (performance.now() > end) throw new Error(`Waited ${seconds} s for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
