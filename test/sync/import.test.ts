import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type S3Server, startS3 } from '../support/s3.ts'
import { createProject, createStorage, sync } from '../support/scenario.ts'

describe('an import', () => {
  let app: TestApp
  let s3: S3Server
  beforeAll(async () => {
    ;[app, s3] = await Promise.all([startTestApp(), startS3()])
  })
  afterAll(async () => {
    await Promise.all([app?.stop(), s3?.stop()])
  })
  const location = (bucket: string, prefix = '') => ({
    s3: { bucket, prefix, endpoint: s3.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' },
  })

  it('makes one task of each object with method FILES, and none the second time', async () => {
    await s3.createBucket('files')
    await s3.putMany(
      'files',
      Array.from({ length: 5 }, (_, i) => ({ key: `img/${i}.jpg`, body: 'x' })),
    )
    await s3.put('files', 'img/', '')
    const project = await createProject(app)
    const { storage } = await createStorage(app, {
      projectId: project,
      location: location('files'),
      importMethod: 'FILES',
    })
    const run = await sync(app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 6, skipped: 1, created: 5, existed: 0 } })
    const again = await sync(app, storage.id)
    expect(again).toMatchObject({ status: 'COMPLETED', counters: { listed: 6, skipped: 1, created: 0, existed: 5 } })
    const { project: read } = await app.request(
      `query ($id: ID!) { project(id: $id) { tasks { totalCount edges { node { innerId data resolvedData link { key uri } } } } } }`,
      { id: project },
    )
    expect(read.tasks.totalCount).toBe(5)
    expect(read.tasks.edges.map((e: any) => e.node.innerId)).toEqual([5, 4, 3, 2, 1])
    expect(read.tasks.edges[4].node).toMatchObject({
      data: { file: 's3://files/img/0.jpg' },
      link: { key: 'img/0.jpg', uri: 's3://files/img/0.jpg' },
    })
  })
})
