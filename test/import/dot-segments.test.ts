import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('keys with dot segments, at an endpoint outside the cloud,', () => {
  const bad = ['pub/../priv/secret.json', 'pub/./a.json', 'pub/..']
  let world: World
  let storage: { id: string; project: string; bucket: string }
  beforeAll(async () => {
    world = await startWorld()
    const objects = Object.fromEntries(['pub/a.json', 'pub/b..c.json', ...bad].map((key) => [key, '{"n":1}']))
    storage = await world.storage({ objects, importMethod: 'FILES', presign: true })
  })
  afterAll(() => world?.stop())

  it('are issues of a sync, which imports the others', async () => {
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { created: 2 } })
    const issues = run.issues.map(({ key, code }: { key: string; code: string }) => [key, code])
    expect(issues.sort()).toEqual(bad.map((key) => [key, 'KEY_HAS_DOT_SEGMENTS']).sort())
  })

  it('are reported by a preview', async () => {
    const { previewObjects } = await world.app.request(
      'query ($input: PreviewObjectsInput!) { previewObjects(input: $input) { objects { key taken rule } } }',
      { input: { id: storage.id } },
    )
    const rules = Object.fromEntries(
      previewObjects.objects.map(({ key, rule }: { key: string; rule: string }) => [key, rule]),
    )
    expect(rules).toEqual({
      ...Object.fromEntries(bad.map((key) => [key, 'KEY_HAS_DOT_SEGMENTS'])),
      ...{ 'pub/a.json': null, 'pub/b..c.json': null },
    })
  })

  it.each(['GET', 'HEAD'])('are not requested for a link (%s)', async (method) => {
    const project = numberOf(storage.project)
    for (const key of [...bad, 'pub/..\\priv']) {
      const uri = Buffer.from(`s3://${storage.bucket}/${key}`).toString('base64url')
      const before = { ...world.front.counts }
      const answer = await fetch(`${world.app.url}/projects/${project}/resolve/?fileuri=${uri}`, {
        method,
        headers: { authorization: `Bearer ${world.app.token}` },
        redirect: 'manual',
      })
      expect(answer.status).toBe(404)
      if (method === 'GET') expect(await answer.json()).toMatchObject({ code: 'KEY_HAS_DOT_SEGMENTS' })
      expect(world.front.counts).toEqual(before)
    }
  })

  it('are refused in a prefix', async () => {
    const projectId = await createProject(world.app)
    const location = world.location(storage.bucket, { prefix: 'pub/../priv/' })
    const answer = await createStorage(world.app, { projectId, location, skipCheck: true })
    expect(answer.fieldErrors).toMatchObject([{ path: 'input.location.s3.prefix' }])
  })
})
