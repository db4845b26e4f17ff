import { sql } from '../sql.ts'
import { countMissingRows } from './missing-rows.ts'
import { noteOutdatedRows } from './outdated-rows.ts'
import { countStatement } from './page-statement.ts'
import type { ImportSink } from './sink.ts'
import { needsRecords, recordKeys, runStatement } from './write-page.ts'

/** Writes the counters and issues that the task sink would write, and neither tasks nor links. */
export const countSink: ImportSink = {
  needsTransaction: needsRecords,
  async write(em, target, part) {
    const written = await runStatement(em, target, countStatement(target, part))
    await recordKeys(em, target, part)
    if (target.replaces) await noteOutdatedRows(em, target, part)
    return written
  },
  async countMissingRows(em, { id }, storage) {
    const [noted] = await sql<{ count: string }>(
      em,
      `select coalesce(sum(rows), 0) as count from sync_key where run_id = $1 and kind = 'SHRUNK'`,
      [id],
    )
    return (await countMissingRows(em, storage)) + Number(noted!.count)
  },
  async sweep(em, { run, storage, objects, rows }) {
    await sql(
      em,
      `update sync_run set missing = missing + $4::bigint + case when $5::bigint = 0 then 0 else (
         select count(*) from sync_key k join import_link l
           on l.storage_id = $3 and l.key = k.key and (l.row_index = -1 or l.row_index <> -1)
         where k.run_id = $1 and k.kind = 'MISSING') end
       where id = $1 and attempt = $2 and status = 'IN_PROGRESS'`,
      [run.id, run.attempt, storage.id, rows, objects],
    )
  },
}
