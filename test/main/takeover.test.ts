import { startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { expect, it } from 'vitest'
import { startFleet } from './fleet-world.ts'

/** A worker that is killed just after a beat is missed the latest: five times 5 s later, and a second for the sweeper's look. */
it('with default settings, another worker continues automatically within 30 s after a kill -9', async () => {
  const { start, storage, front, askers, databaseUrl } = await startFleet()
  const sql = async (text: string) => (await query(databaseUrl, text))[0]
  const api = await start('api', { SLUICE_ROLES: 'api' })
  const first = await start('first', { SLUICE_ROLES: 'worker' })
  const { id } = await storage(api.client, 'files', 2_500)
  const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
  await startSync(api.client, id)
  await held.met
  await api.end('SIGTERM')
  await start('second', { SLUICE_ROLES: 'worker' })
  await until(async () => (await sql('select listed::int from sync_run')).listed === 1_000)
  const beat = async () => (await sql('select heartbeat_at::text as at from sync_run')).at
  const before = await beat()
  await until(async () => (await beat()) !== before)

  const { now: killedAt } = await sql('select clock_timestamp() as now')
  await first.end('SIGKILL')
  held.release()
  const run = await until(
    async () => {
      const row = await sql('select *, listed::int, created::int from sync_run')
      return row.finished_at && row
    },
    // The run counts as lost only after five missed heartbeats, which is 25 s with default settings.
    { what: 'the run that was taken over to end', seconds: 60 },
  )
  expect(run).toMatchObject({ status: 'COMPLETED', attempt: 2, listed: 2_500, created: 2_500 })
  expect(askers).toEqual(['first', 'second'])
  expect(front.counts.ListObjectsV2).toBe(4)
  const { taken_at: takenAt } = await sql(
    `select min(created_at) as taken_at from event where kind = 'STATUS' and (payload->>'attempt')::int = 2`,
  )
  expect(takenAt - killedAt).toBeGreaterThan(20_000)
  expect(takenAt - killedAt).toBeLessThan(30_000)
})
