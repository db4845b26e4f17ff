import { pruneEvents, readEvents, recordEvent, retention } from '../src/events/log.ts'
import { measure } from './measure.ts'
import type { Grown } from './scale-phases.ts'
import type { ScaleStage } from './scale-stage.ts'

/** What the event log can take, and what it costs. */
export interface Events {
  /** Events per second, by the number of writers at once. */
  rates: Record<number, number>
  bytesEach: number
  /** Shortening a log of so many lines to nothing but the newest. */
  prune: { lines: number; seconds: number; blocksEach: number; walBytesEach: number }
  /** Reading on from the beginning of such a log, of a storage that has no event in it. */
  seek: { blocks: number; ms: number }
}

const secondsEach = 2
/** What one sync tells in an hour, after which the log is shortened. */
const linesOfRun = 4 * 3_600

/** Writes events as fast as several writers can, then looks at a long log. */
export async function measureEvents(stage: ScaleStage, { databaseId }: Grown, lines: number): Promise<Events> {
  const { db, app, statements } = stage
  const { rows } = await db.query('select max(id)::int as run from sync_run where storage_id = $1', [databaseId])
  const { run } = rows[0]
  const rates: Record<number, number> = {}
  for (const writers of [1, 4, 16]) rates[writers] = await rateOf(stage, run, writers)
  await db.query(
    `insert into event (kind, project, storage, subject_id, payload, created_at)
     select 'PROGRESS', e.project, e.storage, e.subject_id + n / $2, e.payload, now() - interval '1 hour'
     from (select * from event order by id desc limit 1) e, generate_series(1, $1::int) n`,
    [lines, linesOfRun],
  )
  await db.query('vacuum analyze event')
  const { rows: size } = await db.query(
    `select pg_total_relation_size('event')::float8 / (select count(*) from event) as bytes`,
  )
  await statements.reset()
  await readEvents(app.orm.em.fork(), 0, { storage: 0 })
  const seek = await statements.cost('%from event%')
  await statements.reset()
  const pruned = await measure(() => pruneEvents(app.orm.em.fork(), { ...retention }))
  const cost = await statements.cost('delete from event%')
  const { rows: left } = await db.query('select count(*)::int as n from event')
  if (left[0].n > lines / 2) throw new Error(`The log still has ${left[0].n} lines: it was not shortened.`)
  return {
    rates,
    bytesEach: size[0].bytes,
    prune: {
      lines,
      seconds: pruned.seconds,
      blocksEach: cost.blocks / lines,
      walBytesEach: cost.walBytes / lines,
    },
    seek: { blocks: seek.blocks, ms: seek.ms },
  }
}

async function rateOf({ app }: ScaleStage, run: number, writers: number): Promise<number> {
  let written = 0
  const end = performance.now() + secondsEach * 1_000
  const write = async () => {
    while (performance.now() < end) {
      await app.orm.em.fork().transactional((tx) => recordEvent(tx, 'PROGRESS', { type: 'RUN', id: run }))
      written++
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return written / secondsEach
}
