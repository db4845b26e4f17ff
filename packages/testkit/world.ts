import { startTestApp, type TestApp } from './app.ts'
import { type S3Server, startS3 } from './s3.ts'
import { type Front, startFront } from './s3-front.ts'
import { createProject, createStorage } from './scenario.ts'

type Objects = Record<string, string | Uint8Array>

/** An app beside an S3 emulator, reached through a front that counts and can fail requests. */
export interface World {
  app: TestApp
  s3: S3Server
  front: Front
  /** Makes a bucket with these objects. */
  bucket(objects?: Objects): Promise<string>
  /** The location input of a bucket, with whatever else the location should say. */
  location(bucket: string, more?: Record<string, unknown>): { s3: Record<string, unknown> }
  /** A bucket connected to a project (a new one unless given), without a check. */
  storage(options: {
    objects?: Objects
    bucket?: string
    project?: string
    [setting: string]: unknown
  }): Promise<{ id: string; databaseId: number; project: string; bucket: string }>
  stop(): Promise<void>
}

/** Starts the app (with `env` over the test's settings), the emulator and the front, whose listings have `maxKeys` on a page. */
export async function startWorld(env: Record<string, string> = {}, maxKeys?: number): Promise<World> {
  const [app, s3] = await Promise.all([startTestApp(env), startS3()])
  const front = await startFront({ target: s3.endpoint, ...(maxKeys && { maxKeys }) })
  let buckets = 0
  const bucket: World['bucket'] = async (objects = {}) => {
    const name = `bucket-${++buckets}`
    await s3.createBucket(name)
    await s3.putMany(
      name,
      Object.entries(objects).map(([key, body]) => ({ key, body })),
    )
    return name
  }
  const location: World['location'] = (name, more = {}) => ({
    s3: { bucket: name, endpoint: front.endpoint, accessKeyId: 'key', secretAccessKey: 'secret', ...more },
  })
  return {
    app,
    s3,
    front,
    bucket,
    location,
    async storage({ objects, bucket: given, project: owner, ...settings }) {
      const name = given ?? (await bucket(objects))
      const project = owner ?? (await createProject(app))
      const { storage, ...error } = await createStorage(app, {
        projectId: project,
        location: location(name),
        skipCheck: true,
        ...settings,
      })
      if (!storage) throw new Error(`The storage was not created: ${JSON.stringify(error)}`)
      return { ...storage, project, bucket: name }
    },
    async stop() {
      await Promise.all([app.stop(), s3.stop()])
      await front.stop()
    },
  }
}
