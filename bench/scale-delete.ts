import { measure } from './measure.ts'
import { type Grown, pointAt, syncPhase } from './scale-phases.ts'
import type { ScaleStage } from './scale-stage.ts'
import { peakBackendBytes } from './scale-tables.ts'

/** What it takes to delete a storage of so many objects, and then its project with as many tasks. */
export interface Deleted {
  size: number
  storage: Deletion
  project: Deletion
}

/** One deletion, until it is answered. */
interface Deletion {
  seconds: number
  walBytes: number
  /** Memory that a backend had more than before, at most. */
  memoryBytes: number
}

/** Fills a storage, deletes it, and then its project. */
export async function measureDelete(stage: ScaleStage, grown: Grown, size: number): Promise<Deleted> {
  await pointAt(stage, grown, size, 'FULL')
  await syncPhase(stage, grown, ({ created }) => created)
  await stage.db.query('vacuum analyze')
  const deletion = (name: string, id: string) =>
    measureDeletion(stage, async () => {
      const { done } = await stage.client.request(
        `mutation ($id: ID!) { done: ${name}(id: $id) { __typename ... on Error { message } } }`,
        { id },
      )
      if (done.message) throw new Error(done.message)
    })
  return {
    size,
    storage: await deletion('deleteStorage', grown.storage),
    project: await deletion('deleteProject', grown.project),
  }
}

async function measureDeletion({ db }: ScaleStage, work: () => Promise<void>): Promise<Deletion> {
  const { rows } = await db.query('select pg_current_wal_insert_lsn()::text as lsn')
  const before = await peakBackendBytes(db, async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
  })
  let seconds = 0
  const peak = await peakBackendBytes(db, async () => {
    seconds = (await measure(work)).seconds
  })
  const { rows: after } = await db.query('select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8 as wal', [
    rows[0].lsn,
  ])
  return { seconds, walBytes: after[0].wal, memoryBytes: Math.max(0, peak - before) }
}
