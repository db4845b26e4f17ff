import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { startTestApp } from '@sluice/testkit/app.ts'
import { importObjects } from '@sluice/testkit/chosen-keys.ts'
import { drained, exportAll, target } from '@sluice/testkit/exports.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { storageEvents } from '@sluice/testkit/subscribe.ts'
import { tell } from '@sluice/testkit/webhooks.ts'
import { startWorld } from '@sluice/testkit/world.ts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { migrations } from '../../src/database/migrations/index.ts'
import { openRecorded, printTables, readTables, tablesOf } from './recorded-tables.ts'

const folder = new URL('tables/', import.meta.url)
const newest = migrations.at(-1)!.name

/** The recorded database, until the test ends. */
async function recordedDatabase(migration: string) {
  const recorded = await openRecorded(migration)
  onTestFinished(recorded.drop)
  return recorded
}

// With RECORD_TABLES=1, on the commit before a new migration: records what its database has.
if (process.env.RECORD_TABLES)
  describe('the tables of this commit', () => {
    it('are recorded', async () => {
      const world = await startWorld()
      onTestFinished(world.stop)
      const { app } = world
      const files = await world.storage({ objects: { 'a.jpg': '', 'b.jpg': '', 'skip.txt': '' }, regexFilter: '.*jpg' })
      await tell(app, files.project, { url: 'http://localhost:4999/hook' })
      await sync(app, files.id)
      await importObjects(app, files.id, ['a.jpg', 'none.jpg'])
      const rows = {
        'rows.jsonl': '{"n": 1}\n{"n": 12345678901234567890}\n{"n"',
        'one.json': '{"data": {"text": "\\\\."}}',
      }
      const tasks = await world.storage({ objects: rows, project: files.project, importMethod: 'TASKS' })
      await sync(app, tasks.id)
      const out = await target(world, { project: files.project, autoExport: true })
      await annotate(app, await createTasks(app, files.project, [{ text: 'tab\tand\nline' }, {}]))
      await drained(app, out.id)
      await exportAll(app, out.id)
      await app.request(
        `mutation ($id: ID!) { scheduleSync(input: { storageId: $id, cron: "0 3 1 1 *" }) { __typename }
         createApiToken(name: "reader") { __typename } }`,
        { id: files.id },
      )
      const tables = await readTables(app.databaseUrl, await tablesOf(app.databaseUrl))
      mkdirSync(folder, { recursive: true })
      writeFileSync(new URL(`${newest}.copy`, folder), printTables(tables))
    })
  })

describe.each(readdirSync(folder).map((file) => file.replace('.copy', '')))(
  'a database of migration %s',
  (migration) => {
    it('has the same rows after all later migrations', async () => {
      const { url, orm, tables } = await recordedDatabase(migration)
      expect(tables.filter(({ rows }) => rows !== '').length).toBeGreaterThan(15)
      expect(await readTables(url, tables)).toEqual(tables)
      await orm.migrator.up()
      expect(await readTables(url, tables)).toEqual(tables)
    })

    it('serves its subscribers from the cursor that they have', async () => {
      const { url, orm } = await recordedDatabase(migration)
      await orm.migrator.up()
      // The log is pruned by age.
      await query(url, 'update event set created_at = now()')
      const app = await startTestApp({}, { url })
      onTestFinished(app.stop)
      const [{ id }] = await query(url, 'select id from storage order by id limit 1')
      const events = await query(url, 'select id, run from event where storage = $1 order by id', [id])
      const storageId = Buffer.from(`ImportStorage:${id}`).toString('base64')
      const stream = storageEvents(app, 'SSE', { storageId, after: events[0].id })
      for (const event of events.slice(1)) {
        const run = { id: Buffer.from(`SyncRun:${event.run}`).toString('base64') }
        expect((await stream.next()).value).toMatchObject({ cursor: event.id, storage: { id: storageId }, run })
      }
      await stream.return(undefined)
    })
  },
)
