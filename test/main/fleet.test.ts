import { describe, expect, it, vi } from 'vitest'
import { finished, startSync } from '../support/scenario.ts'
import { startFleet } from './fleet-world.ts'

// Whole processes: on a busy machine a start takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

describe('a fleet of processes', () => {
  it('has api processes, which take no job, and workers, which have nothing but their health to show', async () => {
    const { start, storage, askers } = await startFleet()
    const api = await start('api', { SLUICE_ROLES: 'api' })
    expect(await api.prints('Role')).toContain('api: syncs wait for a worker process')
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

  it('shows the admin token in the output of its first api process, not of a worker', async () => {
    const { start } = await startFleet()
    const worker = await start('worker', { SLUICE_ROLES: 'worker', ADMIN_TOKEN: '' })
    expect((await worker.end()).output).not.toContain('Admin token')
    const api = await start('api', { SLUICE_ROLES: 'api', ADMIN_TOKEN: '' })
    expect((await api.ready()).token).toMatch(/^slc_/)
  })
})
