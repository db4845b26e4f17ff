import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { createTarget, objectsIn } from '@sluice/testkit/exports.ts'
import { createProject, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { describe, expect, it } from 'vitest'
import { startFleet } from './fleet-world.ts'

describe('a fleet of processes', () => {
  it('has api processes, which run no jobs, and workers, which serve only their health', async () => {
    const { start, storage, askers } = await startFleet()
    const api = await start('api', { SLUICE_ROLES: 'api' })
    expect(await api.prints('Role')).toContain('api: only worker processes run syncs')
    const { id } = await storage(api.client, 'files', 3)
    const run = await startSync(api.client, id)

    // While it starts, the other would have had all the time to take the job.
    const worker = await start('worker', { SLUICE_ROLES: 'worker' })
    expect(await finished(api.client, run)).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
    expect(askers).toEqual(['worker'])

    const answers = async (path: string, init?: RequestInit) => (await fetch(worker.url + path, init)).status
    expect(await Promise.all(['/health', '/ready', '/graphql', '/'].map((path) => answers(path)))).toEqual([
      200, 200, 404, 404,
    ])
    const body = JSON.stringify({ query: '{ viewer { name } }' })
    expect(await answers('/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).toBe(
      404,
    )
    expect(await answers('/tasks/1/resolve/?fileuri=czM6Ly9hL2I')).toBe(404)
    expect((await worker.end('SIGTERM')).code).toBe(0)
  })

  it('prints the admin token in its first api process, not in a worker', async () => {
    const { start } = await startFleet()
    const worker = await start('worker', { SLUICE_ROLES: 'worker', ADMIN_TOKEN: '' })
    expect((await worker.end()).output).not.toContain('Admin token')
    const api = await start('api', { SLUICE_ROLES: 'api', ADMIN_TOKEN: '' })
    expect((await api.ready()).token).toMatch(/^slc_/)
  })

  it('hands a sync over at SIGTERM: another worker continues at its last page', async () => {
    const { start, storage, front, askers, databaseUrl } = await startFleet()
    // Beats so rarely that nobody would find out by them within the time of this test.
    const env = { STORAGE_IN_PROGRESS_TIMER: '600' }
    const api = await start('api', { SLUICE_ROLES: 'api', ...env })
    const first = await start('first', { SLUICE_ROLES: 'worker', ...env })
    const { id } = await storage(api.client, 'files', 2_500)
    const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
    const run = await startSync(api.client, id)
    await held.met
    await listed(databaseUrl, 1_000)
    await start('second', { SLUICE_ROLES: 'worker', ...env })
    expect((await first.end('SIGTERM')).code).toBe(0)
    held.release()
    expect(await finished(api.client, run)).toMatchObject({ status: 'COMPLETED', attempt: 2, counters: whole })
    expect(askers).toEqual(['first', 'second'])
    expect(front.counts.ListObjectsV2).toBe(4)
  })

  it('hands an export over at SIGTERM, with all written objects linked', async () => {
    const { start, s3, front, askers, databaseUrl } = await startFleet()
    const env = { STORAGE_IN_PROGRESS_TIMER: '600' }
    const api = await start('api', { SLUICE_ROLES: 'api', ...env })
    const first = await start('first', { SLUICE_ROLES: 'worker', ...env })
    await s3.createBucket('answers')
    const projectId = await createProject(api.client)
    const place = { bucket: 'answers', endpoint: front.endpoint, accessKeyId: 'a', secretAccessKey: 'b' }
    const { storage } = await createTarget(api.client, {
      ...{ projectId, location: { s3: place }, autoExport: false, skipCheck: true },
    })
    const numbers = Array.from({ length: 450 }, (_, n) => ({ n }))
    const annotations = await annotate(api.client, await createTasks(api.client, projectId, numbers))
    let puts = 0
    const held = front.fail({ hold: true, match: ({ operation }) => operation === 'PutObject' && ++puts > 300 })
    const run = await startSync(api.client, storage.id)
    await held.met
    await start('second', { SLUICE_ROLES: 'worker', ...env })
    expect((await first.end('SIGTERM')).code).toBe(0)
    held.release()
    expect(await finished(api.client, run)).toMatchObject({ status: 'COMPLETED', attempt: 2 })
    expect(askers).toEqual(['first', 'second'])
    const names = annotations.map(({ databaseId }) => `${databaseId}.json`)
    expect(Object.keys(await objectsIn(s3, 'answers')).toSorted()).toEqual(names.toSorted())
    const [row] = await query(
      databaseUrl,
      'select selected::int, exported::int, failed::int, (select count(*)::int from export_link) as links from sync_run',
    )
    expect(row).toEqual({ selected: 450, exported: 450, failed: 0, links: 450 })
  })

  it('finishes the sync of a killed worker automatically, from its last page', async () => {
    const { start, storage, front, askers, databaseUrl } = await startFleet()
    const env = { STORAGE_IN_PROGRESS_TIMER: '0.5' }
    const first = await start('first', env)
    const { id } = await storage(first.client, 'files', 2_500)
    const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
    await startSync(first.client, id)
    await held.met
    await listed(databaseUrl, 1_000)
    await start('second', { SLUICE_ROLES: 'worker', ...env })
    await first.end('SIGKILL')
    held.release()
    expect(await ended(databaseUrl)).toEqual({ status: 'COMPLETED', attempt: 2, listed: 2_500, created: 2_500 })
    expect(await tasks(databaseUrl)).toEqual({ tasks: 2_500, files: 2_500 })
    expect(askers).toEqual(['first', 'second'])
    expect(front.counts.ListObjectsV2).toBe(4)
  })

  it('refuses the late writes of a frozen worker whose run was taken over', async () => {
    const { start, storage, front, databaseUrl } = await startFleet()
    const env = { STORAGE_IN_PROGRESS_TIMER: '0.5' }
    const first = await start('first', env)
    const { id } = await storage(first.client, 'files', 2_500)
    const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
    await startSync(first.client, id)
    await held.met
    await listed(databaseUrl, 1_000)
    first.child.kill('SIGSTOP')
    // Its page is there when it wakes up.
    held.release()
    const second = await start('second', env)
    const before = await ended(databaseUrl)
    expect(before).toEqual({ status: 'COMPLETED', attempt: 2, listed: 2_500, created: 2_500 })
    first.child.kill('SIGCONT')
    // It works again, on its next sync, with whoever is there.
    await finished(second.client, await startSync(second.client, id))
    expect((await first.end('SIGTERM')).code).toBe(0)
    expect(await ended(databaseUrl)).toEqual(before)
    expect(await tasks(databaseUrl)).toEqual({ tasks: 2_500, files: 2_500 })
  })

  it.each([
    ['behind', -600],
    ['ahead', 600],
  ])('is not harmed by a machine whose clock is ten minutes %s', async (_how, seconds) => {
    const { start, storage, front, askers, databaseUrl } = await startFleet()
    const env = { STORAGE_IN_PROGRESS_TIMER: '0.5' }
    const shifted = await start('shifted', { ...env, ...clockOff(seconds) })
    const { id } = await storage(shifted.client, 'files', 1_500)
    // Queued by a right clock, done by the wrong one.
    const api = await start('api', { SLUICE_ROLES: 'api', ...env })
    const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
    await startSync(api.client, id)
    await held.met
    expect(askers).toEqual(['shifted'])
    await listed(databaseUrl, 1_000)
    // And handed on to the right one, by whatever rounds are made next.
    await start('right', { SLUICE_ROLES: 'worker', ...env })
    await shifted.end('SIGKILL')
    held.release()
    expect(await ended(databaseUrl)).toEqual({ status: 'COMPLETED', attempt: 2, listed: 1_500, created: 1_500 })
    expect(askers).toEqual(['shifted', 'right'])
  })
})

const whole = { listed: 2_500, created: 2_500 }

const listed = (databaseUrl: string, count: number) =>
  until(async () => {
    const [row] = await query(databaseUrl, 'select listed::int from sync_run')
    return row?.listed === count
  })

/** The first run of all, once it has ended; read from the database, so that no request helps. */
const ended = (databaseUrl: string) =>
  until(async () => {
    const [row] = await query(
      databaseUrl,
      `select status, attempt, listed::int, created::int from sync_run where finished_at is not null order by id`,
    )
    return row
  })

const tasks = async (databaseUrl: string) =>
  (await query(databaseUrl, 'select count(*)::int as tasks, count(distinct data::text)::int as files from task'))[0]

/** Settings that put the clock of a process forward, or back. */
function clockOff(seconds: number): Record<string, string> {
  const script = `const Real = Date
    globalThis.Date = class extends Real {
      constructor(...parts) { parts.length === 0 ? super(Real.now() + ${seconds * 1_000}) : super(...parts) }
      static now() { return Real.now() + ${seconds * 1_000} }
    }`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
}
