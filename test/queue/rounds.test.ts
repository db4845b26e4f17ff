import { expect, it, onTestFinished } from 'vitest'
import { startRounds } from '../../src/jobs/rounds.ts'
import { createLogger } from '../../src/logger.ts'
import { sql } from '../../src/sql.ts'
import { startTestApp } from '../support/app.ts'
import { query, until } from '../support/sql.ts'

it('a round that takes longer than a session may stand still is made to its end, once', async () => {
  const app = await startTestApp()
  onTestFinished(() => app.stop())
  let begun = 0
  const slow = {
    everySeconds: 3_600,
    async make() {
      begun++
      await sql(app.orm.em.fork(), 'select pg_sleep(12)')
    },
  }
  const end = startRounds({ em: app.orm.em.fork(), logger: createLogger('silent') }, { slow })
  onTestFinished(end)
  const over = `select 1 from round where name = 'slow' and due_at > now() + interval '1 minute'`
  await until(async () => begun > 1 || (await query(app.databaseUrl, over)).length === 1)
  expect(begun).toBe(1)
})
