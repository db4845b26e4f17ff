import { launch, postgresRuns, temporaryFolder } from '@sluice/testkit/launch.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { expect, it, onTestFinished } from 'vitest'
import { startEmbedded } from '../../src/database/embedded.ts'

function dataFolder(): string {
  const folder = temporaryFolder()
  onTestFinished(folder.remove)
  return folder.path
}

it('a second process is refused even if all sessions of the first one have ended', async () => {
  const dataDir = dataFolder()
  const server = await startEmbedded({ dataDir, throwAway: true })
  onTestFinished(server.stop)
  await query(server.url, 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
  const locks = `select 1 from pg_locks where locktype = 'advisory'`
  await until(async () => (await query(server.url, locks)).length > 0, { what: 'the lock of the server' })
  await expect(startEmbedded({ dataDir })).rejects.toThrow('Another Sluice is running')
})

it('of two concurrent first starts on one folder, one runs and the other is refused', async () => {
  const dataDir = dataFolder()
  const both = [launch({ DATA_DIR: dataDir }), launch({ DATA_DIR: dataDir })]
  const outcomes = await Promise.allSettled(both.map((server) => server.ready()))
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const ends = await Promise.all(both.map((server) => server.end()))
  expect(ends.map(({ code }) => code).toSorted()).toEqual([0, 75])
  expect(postgresRuns(dataDir)).toBe(false)
})
