import pg from 'pg'
import { compareKeys } from '../src/providers/key-order.ts'
import type { Moments } from './moments.ts'

/** Keys behind `from`, up to and with `to`, that a run has committed: they are not to be listed or read again. */
export interface DoneRange {
  from: string
  to: string
}

/** How a run stands in the database. */
interface RunState {
  id: number
  status: string
  attempt: number
  done: DoneRange[]
}

const behindAll = '\u{10ffff}'

/**
 * The newest run as committed, with what its checkpoints say is done; undefined while there is none. A run that is listed in
 * ranges has a checkpoint in each of them.
 */
async function readState(client: pg.Client): Promise<RunState | undefined> {
  const { rows } = await client.query(`
    select r.id::int, r.status, r.attempt, r.cursor, r.listed::int, s.number is not null as "isShard",
      s.after, s.until, s.cursor as "shardCursor", s.done
    from sync_run r left join sync_shard s on s.run_id = r.id
    where r.id = (select max(id) from sync_run) order by s.number`)
  if (!rows[0]) return undefined
  const { id, status, attempt } = rows[0]
  const done = rows.flatMap((row): DoneRange[] => {
    // A listing that has come to its end has no cursor any more.
    const isDone = row.isShard ? row.done : row.cursor === null && row.listed > 0
    const to = isDone ? (row.until ?? behindAll) : row.isShard ? row.shardCursor : row.cursor
    return to === null ? [] : [{ from: row.after ?? '', to }]
  })
  return { id, status, attempt, done }
}

/**
 * True when a listing that starts after `key` goes over keys that are done. `before` has the starts of the pages that the same worker
 * has listed. A worker lists a page ahead of the one it reads, so it can pass the end of its range before it knows of a split: then
 * its page before this one starts in front of the range.
 */
export function listsAgain(done: DoneRange[], key: string, before: string[]): boolean {
  const range = done.find(({ from, to }) => compareKeys(from, key) <= 0 && compareKeys(key, to) < 0)
  if (!range) return false
  const [previous] = before.filter((start) => compareKeys(start, key) < 0).sort((a, b) => compareKeys(b, a))
  const passesSplit =
    range.from !== '' &&
    compareKeys(range.from, key) < 0 &&
    previous !== undefined &&
    compareKeys(previous, range.from) < 0
  return !passesSplit
}

/** True when the object is one of those that are done. */
export const readsAgain = (done: DoneRange[], key: string) =>
  done.some(({ from, to }) => compareKeys(from, key) < 0 && compareKeys(key, to) <= 0)

/** Looks at the newest run all the time, over a connection that no fault meets but the database's own. */
export interface Watch {
  readonly state: RunState | undefined
  /** The state at some time after the call. */
  look(): Promise<RunState | undefined>
  /** Resolves with the first state that fits; rejects after `timeoutMs`. */
  until(fits: (state: RunState) => boolean, timeoutMs: number): Promise<RunState>
  stop(): Promise<void>
}

/** Starts to watch the database at `connection`; tells `moments` of every page that was committed. */
export function startWatch(connection: pg.ClientConfig, moments: Moments): Watch {
  let client: pg.Client | undefined
  let state: RunState | undefined
  let stopped = false
  let looks: (() => void)[] = []

  const look = async () => {
    if (!client) {
      client = new pg.Client(connection)
      client.on('error', () => {})
      await client.connect()
    }
    const next = await readState(client)
    const isNews = next && next.id === state?.id && JSON.stringify(next.done) !== JSON.stringify(state.done)
    state = next
    if (isNews) moments.happens('commit')
  }
  const watching = (async () => {
    while (!stopped) {
      const waiting = looks
      looks = []
      try {
        await look()
        for (const resolve of waiting) resolve()
      } catch {
        // The database recovers from what was done to it.
        looks = [...waiting, ...looks]
        await client?.end().catch(() => {})
        client = undefined
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await client?.end()
  })()

  const fresh = async () => {
    await new Promise<void>((resolve) => looks.push(resolve))
    return state
  }
  return {
    get state() {
      return state
    },
    look: fresh,
    async until(fits, timeoutMs) {
      const end = performance.now() + timeoutMs
      for (;;) {
        const now = await fresh()
        if (now && fits(now)) return now
        if (performance.now() > end) throw new Error(`The run stays ${JSON.stringify(now)}.`)
      }
    },
    async stop() {
      stopped = true
      await watching
    },
  }
}
