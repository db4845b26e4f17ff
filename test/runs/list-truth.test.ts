import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('a query of storages, without a worker,', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp({ SLUICE_ROLES: 'api' })
  })
  afterAll(() => app?.stop())

  it('requeues a lost sync at once, or fails it after its last attempt', async () => {
    const projectId = await createProject(app)
    const location = {
      s3: { bucket: 'bucket', endpoint: 'http://127.0.0.1:2', accessKeyId: 'a', secretAccessKey: 'b' },
    }
    for (const attempt of [1, 3]) {
      const { storage } = await createStorage(app, { projectId, location, skipCheck: true, allowDuplicate: true })
      await query(
        app.databaseUrl,
        `with stray as (
           insert into sync_run (storage_id, attempt, status, queued_at, started_at, heartbeat_at)
           values ($1, $2, 'IN_PROGRESS', now() - interval '1 hour', now() - interval '1 hour', now() - interval '1 minute')
           returning id)
         update storage set last_run = stray.id from stray where storage.id = $1`,
        [storage.databaseId, attempt],
      )
    }
    const { storages } = await app.request(
      `query ($id: ID!) { storages(projectId: $id) { edges { node { status failure lastRun { attempt } } } } }`,
      { id: projectId },
    )
    expect(storages.edges.map(({ node }: { node: object }) => node)).toEqual([
      {
        status: 'FAILED',
        failure: expect.stringMatching(/^The worker has given no sign of life/),
        lastRun: { attempt: 3 },
      },
      { status: 'QUEUED', failure: null, lastRun: { attempt: 2 } },
    ])
  })
})
