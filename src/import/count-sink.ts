import { sql } from 'kysely'
import { heldRun } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { countRows, nothingApplied } from './apply-rows.ts'
import { countMissingRows } from './missing-rows.ts'
import { countStatement } from './page-statement.ts'
import type { ImportSink } from './sink.ts'
import { stageRows } from './stage-rows.ts'
import { needsRecords, recordKeys, runStatement, withApplied } from './write-page.ts'

/** Writes the counters and issues that the task sink would write, and neither tasks nor links. */
export const countSink: ImportSink = {
  needsTransaction: needsRecords,
  async write(em, target, part) {
    if (part.staged.length > 0) await stageRows(em, target.run, part.staged)
    const applied = part.read.length > 0 ? await countRows(em, target, part.read) : nothingApplied()
    const written = await runStatement(em, target, countStatement(target, withApplied(part, applied)))
    await recordKeys(em, target, part)
    return written
  },
  async countMissingRows(em, { id }, storage) {
    const [outdated] = await execute<{ count: string }>(
      em,
      sql`select coalesce(sum(rows), 0) as count from sync_key where run_id = ${id} and kind = 'SHRUNK'`,
    )
    return (await countMissingRows(em, storage)) + Number(outdated!.count)
  },
  async sweep(em, { run, storage, objects, rows }) {
    const missing = sql`(
      select count(*) from sync_key k join import_link l
        on l.storage_id = ${storage.id} and l.key = k.key and (l.row_index = -1 or l.row_index <> -1)
      where k.run_id = ${run.id} and k.kind = 'MISSING')`
    await execute(
      em,
      sql`update sync_run set missing = missing + ${rows} + ${objects === 0 ? sql`0` : missing} where ${heldRun(run)}`,
    )
  },
}
