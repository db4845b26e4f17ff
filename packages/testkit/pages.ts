import { emptyPageWrite, type PageTarget, type PageWrite } from '../../src/import/page-write.ts'
import { query } from './sql.ts'

/** Gives the first range of a run to a worker, so that a test can write its pages, and returns the lease of that worker. */
export async function holdRun(url: string, run: number, attempt = 1): Promise<PageTarget> {
  const [row] = await query(
    url,
    `insert into sync_shard (run_id, number, holder, attempt) values ($1, 0, 'test', $2)
     returning (select storage_id::int from sync_run where id = $1) as storage,
       (select project_id::int from storage s join sync_run r on r.storage_id = s.id where r.id = $1) as project`,
    [run, attempt],
  )
  const lease = { run, attempt, number: 0, owner: 'test', until: null, claimedAt: 'infinity', ...row }
  return { ...lease, replaces: false, updatesRows: false, deletesGone: false, reportsChanges: false, rowKey: null }
}

/** A part of a page with a task of its own for each key. */
export function partOf(keys: string[], more: Partial<PageWrite> = {}): PageWrite {
  const tasks = keys.map((key) => ({
    object: { key, size: 1, etag: null, lastModified: null },
    ...{
      isNew: false,
      rowGroup: -1,
      row: -1,
      data: '{}',
      meta: null,
      allowSkip: true,
      predictions: [],
      annotations: [],
    },
  }))
  return { ...emptyPageWrite(), tasks, ...more }
}
