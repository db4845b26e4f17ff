import { setTimeout as sleep } from 'node:timers/promises'
import { annotate } from '@sluice/testkit/annotate.ts'
import type { S3Server } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import type pg from 'pg'
import { decodeId, globalIdOf } from '../src/graphql/ids.ts'
import { createRandom, type Random } from './random.ts'
import { editRows, type FileRow, fileOf, formats, newRows } from './rows-file.ts'
import { differencesOfRows, type Run, readState, type State } from './rows-state.ts'
import type { Workers } from './workers.ts'

/** What came of a round. */
export interface RowsVerdict {
  seed: number
  settings: RowSettings
  kills: number
  labels: number
  /** What is not as it should be; empty = all is well. */
  differences: string[]
}

export interface RowSettings {
  format: (typeof formats)[number]
  changedPolicy: 'UPDATE' | 'REPORT' | 'IGNORE'
  missingPolicy: 'KEEP' | 'FLAG' | 'DELETE_UNANNOTATED'
  rowKey: string | null
}

const steps = 7

/**
 * Plays a round that the seed decides: a file is edited at random, its tasks are labeled, and it is synced, while the worker is
 * killed now and then. After each sync, no label may be at another item, the tasks must be the rows of the file, and the counters
 * and issues of the run must be what has changed.
 */
export async function playRowsRound(
  { s3, workers, database }: { s3: S3Server; workers: Workers; database: pg.Pool },
  seed: number,
  { killShare = 0.25 } = {},
): Promise<RowsVerdict> {
  const random = createRandom(seed)
  const settings: RowSettings = {
    format: random.pick(formats),
    changedPolicy: random.pick(['UPDATE', 'UPDATE', 'UPDATE', 'REPORT', 'IGNORE'] as const),
    missingPolicy: random.pick(['KEEP', 'FLAG', 'DELETE_UNANNOTATED'] as const),
    rowKey: random.pick([null, null, 'id', 'data.id']),
  }
  const verdict: RowsVerdict = { seed, settings, kills: 0, labels: 0, differences: [] }
  const bucket = `rows-${seed}`
  const key = `a.${settings.format}`
  await s3.createBucket(bucket)
  const projectId = await createProject(workers.all[0]!.client)
  const { storage } = await createStorage(workers.all[0]!.client, {
    projectId,
    importMethod: 'TASKS',
    changedPolicy: settings.changedPolicy,
    missingPolicy: settings.missingPolicy,
    rowKey: settings.rowKey,
    skipCheck: true,
    location: { s3: { bucket, endpoint: s3.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' } },
  })
  // More rows than one write holds, in some rounds.
  let rows: FileRow[] = newRows(random, random.chance(0.1) ? random.whole(1_200, 2_500) : random.whole(2, 12))
  let before: State = { tasks: [] }
  for (let step = 0; step < steps; step++) {
    if (step > 0 && random.chance(0.9)) rows = editRows(rows, settings.format, random)
    await s3.putMany(bucket, [{ key, body: fileOf(settings.format, rows, random) }])
    const { run, killed } = await syncToEnd({ workers, database, random }, storage, killShare)
    verdict.kills += killed
    const after = await readState(database, storage.databaseId)
    const found = differencesOfRows({ settings, rows, before, after, run, isFirst: step === 0 })
    verdict.differences.push(...found.map((difference) => `step ${step}: ${difference}`))
    before = after
    for (let labels = random.whole(0, 3); labels > 0 && after.tasks.length > 0; labels--) {
      const task = random.pick(after.tasks)
      await annotate(workers.all[0]!.client, [globalIdOf('Task', task.id)], [JSON.stringify(task.data)])
      verdict.labels++
    }
    before = await readState(database, storage.databaseId)
  }
  return verdict
}

/** Syncs the storage to the end of a run, in spite of kills. */
async function syncToEnd(
  { workers, database, random }: { workers: Workers; database: pg.Pool; random: Random },
  storage: { id: string },
  killShare: number,
): Promise<{ run: Run; killed: number }> {
  const id = Number(decodeId(await startSync(workers.all[0]!.client, storage.id)).id)
  const kills = random.chance(killShare)
  const delayMs = random.pick([0, 2, 5, 10, 15, 20, 30, 60])
  if (kills) {
    await sleep(delayMs)
    await workers.all[0]!.end('SIGKILL')
    await workers.start()
  }
  for (const until = performance.now() + 60_000; performance.now() < until; ) {
    const { rows } = await database.query(
      `select r.*, (select json_agg(json_build_object('code', i.code, 'row', i.row_index)) from sync_issue i where i.run_id = r.id) as issues
       from sync_run r where r.id = $1`,
      [id],
    )
    if (!['QUEUED', 'IN_PROGRESS'].includes(rows[0].status)) return { run: rows[0], killed: kills ? 1 : 0 }
    await sleep(10)
  }
  throw new Error(`The run ${id} did not end.`)
}
