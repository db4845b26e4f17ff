import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { keysOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const bucket = 'photos--use1-az4--x-s3'

describe('a sync of an S3 Express directory bucket', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ LIST_CONCURRENCY: '8' })
    await world.s3.createBucket(bucket)
    await world.s3.seed(bucket, { count: 3_500, prefix: 'in/' })
  })
  afterAll(() => world?.stop())

  it('imports every object of several unordered pages once', async () => {
    const projectId = await createProject(world.app)
    const location = world.location(bucket, { prefix: 'in/', region: 'us-east-1' })
    const { storage } = await createStorage(world.app, { projectId, location, missingPolicy: 'FLAG' })
    expect(await sync(world.app, storage.id)).toMatchObject({
      ...{ status: 'COMPLETED', attempt: 1, issues: [] },
      counters: { listed: 3_500, created: 3_500, missing: 0 },
    })
    expect(new Set(await keysOf(world.app, projectId)).size).toBe(3_500)
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { listed: 3_500, existed: 3_500, created: 0, missing: 0 },
    })
  })
})
