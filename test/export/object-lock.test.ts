import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { createTarget, exportAll, objectsOf } from '@sluice/testkit/exports.ts'
import { type Front, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('a bucket with Object Lock and a default retention', () => {
  let world: World
  let front: Front
  beforeAll(async () => {
    world = await startWorld()
    front = await startFront({ target: world.s3.endpoint, objectLock: true })
  })
  afterAll(async () => {
    await front?.stop()
    await world?.stop()
  })

  it('accepts exports, because the probe of the check and each export carry Content-MD5', async () => {
    const projectId = await createProject(world.app)
    const bucket = await world.bucket()
    const location = world.location(bucket, { prefix: 'out', endpoint: front.endpoint })
    const { storage, ...error } = await createTarget(world.app, { projectId, location })
    expect(error).toEqual({ __typename: 'CreateExportStorageSuccess' })
    await annotate(world.app, await createTasks(world.app, projectId, [{ text: 'a' }, { text: 'b' }]))
    expect(await exportAll(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', failure: null })
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(2)
  })
})
