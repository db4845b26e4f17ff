import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { finished, startSync } from '../support/scenario.ts'
import { query, until } from '../support/sql.ts'
import { startFleet } from './fleet-world.ts'
import { startPostgresProcess } from './postgres-process.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

/** How long PostgreSQL is away. */
const downMs = Number(process.env.DOWN_MS ?? 5_000)

it('a PostgreSQL that is killed amid a sync and comes back later costs nothing: all reconnect, and every task is there once', async () => {
  const postgres = await startPostgresProcess()
  onTestFinished(postgres.remove)
  const { start, storage, front } = await startFleet({ databaseUrl: postgres.url })
  const env = { STORAGE_IN_PROGRESS_TIMER: '1' }
  const api = await start('api', { SLUICE_ROLES: 'api', ...env })
  await start('first', { SLUICE_ROLES: 'worker', ...env })
  await start('second', { SLUICE_ROLES: 'worker', ...env })
  const { id } = await storage(api.client, 'files', 3_500)
  const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
  const run = await startSync(api.client, id)
  // Open all the while, on a connection that stays.
  const watched = finished(api.client, run)
  await held.met
  await until(async () => (await query(postgres.url, 'select listed::int from sync_run'))[0]?.listed === 1_000)

  await postgres.kill()
  // The page comes while there is nobody to write it to.
  held.release()
  await until(async () => (await fetch(`${api.url}/ready`)).status === 503)
  expect((await fetch(`${api.url}/health`)).status).toBe(200)
  await sleep(downMs)
  await postgres.start()

  expect(await watched).toMatchObject({ status: 'COMPLETED', counters: { listed: 3_500, created: 3_500, existed: 0 } })
  expect(
    (await query(postgres.url, 'select count(*)::int as tasks, count(distinct data::text)::int as files from task'))[0],
  ).toEqual({ tasks: 3_500, files: 3_500 })
  expect((await fetch(`${api.url}/ready`)).status).toBe(200)
  // Jobs start as before, and their end is told.
  expect(await finished(api.client, await startSync(api.client, id))).toMatchObject({
    status: 'COMPLETED',
    attempt: 1,
    counters: { existed: 3_500, created: 0 },
  })
})
