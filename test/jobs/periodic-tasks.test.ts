import { startTestApp } from '@sluice/testkit/app.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { sql } from 'kysely'
import { expect, it, onTestFinished } from 'vitest'
import { startPeriodicTasks } from '../../src/jobs/periodic-tasks.ts'
import { createLogger } from '../../src/logger.ts'
import { execute } from '../../src/sql.ts'

it('a periodic task that takes longer than the idle limit of a transaction runs to its end, once', async () => {
  const app = await startTestApp()
  onTestFinished(() => app.stop())
  let starts = 0
  const slow = {
    everySeconds: 3_600,
    async run() {
      starts++
      await execute(app.orm.em.fork(), sql`select pg_sleep(12)`)
    },
  }
  const stop = startPeriodicTasks({ em: app.orm.em.fork(), logger: createLogger('silent') }, { slow })
  onTestFinished(stop)
  const ended = `select 1 from round where name = 'slow' and due_at > now() + interval '1 minute'`
  await until(async () => starts > 1 || (await query(app.databaseUrl, ended)).length === 1)
  expect(starts).toBe(1)
})
