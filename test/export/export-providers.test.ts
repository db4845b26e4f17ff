import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { annotate, createTasks, deleteAnnotations } from '@sluice/testkit/annotate.ts'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { startAzure } from '@sluice/testkit/azure.ts'
import { environment } from '@sluice/testkit/egress.ts'
import { createTarget, drained, exportAll } from '@sluice/testkit/exports.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { startRedis } from '@sluice/testkit/redis.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gcs as kind } from '../../src/providers/gcs/kind.ts'

interface Place {
  location: Record<string, object>
  /** What the place itself says of an object; absent where objects have no content type. */
  contentType?(key: string): Promise<string | undefined>
  stop(): Promise<unknown>
}

const places: Record<string, (app: TestApp) => Promise<Place>> = {
  async S3() {
    const server = await startS3()
    await server.createBucket('answers')
    const keys = { accessKeyId: 'key', secretAccessKey: 'secret' }
    return {
      location: { s3: { bucket: 'answers', prefix: 'out', endpoint: server.endpoint, ...keys } },
      contentType: async (Key) =>
        (await server.client.send(new HeadObjectCommand({ Bucket: 'answers', Key }))).ContentType,
      stop: server.stop,
    }
  },
  async GCS() {
    const server = await startGcs()
    server.createBucket('answers')
    const serviceAccountJson = server.newAccount().keyFile
    const location = { bucket: 'answers', prefix: 'out', endpoint: server.endpoint }
    const gcs = { ...location, serviceAccountJson }
    return {
      location: { gcs },
      contentType: async (key) => {
        const provider = await kind.open(kind.location.parse(location), { serviceAccountJson }, environment)
        return (await provider.head(key).finally(() => provider.close())).contentType ?? undefined
      },
      stop: () => server.stop(),
    }
  },
  async AZURE_BLOB() {
    const server = await startAzure()
    const container = await server.createContainer('answers')
    const { account, accountKey, endpoint } = server
    const azureBlob = { account, accountKey, endpoint, container: 'answers', prefix: 'out' }
    return {
      location: { azureBlob },
      contentType: async (key) => (await container.getBlobClient(key).getProperties()).contentType,
      stop: server.stop,
    }
  },
  async REDIS() {
    const server = await startRedis()
    return { location: { redis: { host: server.host, port: server.port, db: 1, path: 'out' } }, stop: server.stop }
  },
  async LOCAL_FILES(app) {
    mkdirSync(join(app.localRoot, 'out'))
    return { location: { localFiles: { path: 'out' } }, stop: async () => {} }
  },
}

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app?.stop())

describe.each(Object.keys(places))('%s as an export storage', (name) => {
  let place: Place
  beforeAll(async () => {
    place = await places[name]!(app)
  })
  afterAll(() => place?.stop())

  it('receives exports, which can be imported again, and loses the deleted ones', async () => {
    const [projectId, empty] = [await createProject(app), await createProject(app)]
    const template = { nameTemplate: 'a b+ü/{annotationId}.json', canDeleteObjects: true }
    const { storage, ...error } = await createTarget(app, { projectId, location: place.location, ...template })
    expect(error).toEqual({ __typename: 'CreateExportStorageSuccess' })
    const made = await annotate(app, await createTasks(app, projectId, [{ n: 1 }, { n: 2 }, { n: 3 }]), ['ä'])
    expect(await exportAll(app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { exported: 3 } })
    const types = made.map(({ databaseId }) => place.contentType?.(`out/a b+ü/${databaseId}.json`))
    if (place.contentType) expect(await Promise.all(types)).toEqual(Array(3).fill('application/json'))
    await deleteAnnotations(app, [made[1]!.id])
    await drained(app, storage.id)
    const source = await createStorage(app, {
      projectId: empty,
      location: place.location,
      importMethod: 'TASKS',
      skipCheck: true,
    })
    expect(await sync(app, source.storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 2, created: 2 },
    })
    const tasks = await tasksOf(app, empty)
    expect(tasks.map(({ data }) => data.n).sort()).toEqual([1, 3])
    expect(tasks.map(({ annotations }) => annotations[0]?.result)).toEqual([['ä'], ['ä']])
    expect(tasks.map(({ link }) => link?.key).sort()).toEqual(
      [made[0]!, made[2]!].map(({ databaseId }) => `out/a b+ü/${databaseId}.json`).sort(),
    )
  })
})
