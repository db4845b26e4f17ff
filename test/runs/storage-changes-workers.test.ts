import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sameKeys, setLocation, success, update } from './storage-changes-place.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({}, 100)
})
afterAll(() => world?.stop())

describe.each(['S3', 'LOCAL_FILES'] as const)('with several workers (%s)', (kind) => {
  let others: TestApp[]
  beforeAll(async () => {
    const database = { url: world.app.databaseUrl }
    const env = { ASSIST_AFTER: '0.1', LOCAL_FILES_ROOT: world.app.localRoot }
    others = await Promise.all([startTestApp(env, database), startTestApp(env, database)])
  })
  afterAll(() => Promise.all((others ?? []).map((app) => app.stop())))

  const places = {
    /** Two buckets with the same 600 keys. */
    S3: async () => {
      const names = [await world.bucket(sameKeys(600)), await world.bucket(sameKeys(600))]
      return names.map((bucket) => ({
        bucket,
        uri: `s3://${bucket}/`,
        location: world.location(bucket),
        stored: { bucket },
      }))
    },
    /** Two folders with the same 3,000 files. */
    LOCAL_FILES: async () =>
      Promise.all(
        [1, 2].map(async (n) => {
          const path = `${randomUUID()}-${n}`
          const folder = join(world.app.localRoot, path)
          await mkdir(folder)
          await Promise.all(Array.from({ length: 3_000 }, (_, file) => writeFile(join(folder, `${file}.txt`), 'x')))
          return { bucket: '', uri: `local-files:///${path}/`, location: { localFiles: { path } }, stored: { path } }
        }),
      ),
  }

  /** Number of links of a storage, and how many of them have a task whose URI begins with each text. */
  const linksOf = async (storage: number, uris: string[]): Promise<number[]> => {
    const [row] = await query(
      world.app.databaseUrl,
      `select array[count(*), ${uris.map((_, n) => `count(*) filter (where starts_with(t.data ->> 'file', $${n + 2}))`)}]::int[] as n
       from import_link l join task t on t.id = l.task_id where l.storage_id = $1`,
      [storage, ...uris],
    )
    return row.n
  }

  it.each([0, 1, 2, 3])(
    'a change by SQL or by the API at any moment mixes no places, and counters equal a recount (seed %i)',
    async (seed) => {
      const [one, two] = await places[kind]()
      const count = kind === 'S3' ? 600 : 3_000
      const uris = [one!.uri, two!.uri]
      const storage = await world.storage({ bucket: one!.bucket, location: one!.location })
      const run = await startSync(world.app, storage.id)
      const changeAfter = ((seed * 7_919 + 104_729) % 100) * 2
      await until(async () => (await linksOf(storage.databaseId, uris))[0]! >= changeAfter)
      const bySql = seed % 2 === 0
      const input = { id: storage.id, location: two!.location, cancelRunning: true }
      if (bySql) await setLocation(world, storage.databaseId, two!.stored)
      else expect(await update(others[0]!, 'Import', input)).toEqual(success('Import'))
      const atChange = await linksOf(storage.databaseId, uris)
      const ended = await finished(world.app, run)
      expect(await linksOf(storage.databaseId, uris)).toEqual(atChange)
      const [recount] = await query(
        world.app.databaseUrl,
        `select count(*)::int as tasks, count(*) filter (where starts_with(data ->> 'file', $2))::int as other from task
         where project_id = (select project_id from storage where id = $1)`,
        [storage.databaseId, two!.uri],
      )
      expect(recount).toEqual({ tasks: ended.counters.created, other: 0 })
      if (bySql || kind !== 'S3') expect(atChange).toEqual([ended.counters.created, ended.counters.created, 0])
      else expect(atChange).toEqual([0, 0, 0])
      const again = await sync(world.app, storage.id)
      expect(again.status).toBe('COMPLETED')
      const after = await linksOf(storage.databaseId, uris)
      expect(after[0]! - atChange[0]!).toBe(again.counters.created)
      if (!bySql && kind === 'S3') expect(after).toEqual([count, 0, count])
    },
    60_000,
  )
})
