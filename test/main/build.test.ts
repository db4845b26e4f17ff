import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { createDatabase } from '@sluice/testkit/app.ts'
import { createClient } from '@sluice/testkit/client.ts'
import { launch, projectFolder, temporaryFolder } from '@sluice/testkit/launch.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { expect, it, onTestFinished } from 'vitest'

it('the build starts in a folder without packages, and imports from a bucket', async () => {
  const [folder, database, s3] = [temporaryFolder(), await createDatabase(), await startS3()]
  onTestFinished(async () => {
    await s3.stop()
    await database.drop()
    folder.remove()
  })
  for (const name of ['dist/server', 'package.json']) {
    cpSync(join(projectFolder, name), join(folder.path, name), { recursive: true })
  }
  const command: [string, string] = [process.execPath, join(folder.path, 'dist/server/main.js')]
  const env = { DATABASE_URL: database.url, DATA_DIR: join(folder.path, 'data') }
  const server = launch(env, { command, cwd: folder.path })
  const { url, token } = await server.ready()
  await s3.createBucket('pictures')
  await s3.putMany('pictures', [{ key: 'a.jpg', body: 'a' }])
  const client = createClient(url, token!)
  const { storage } = await createStorage(client, {
    projectId: await createProject(client),
    location: { s3: { bucket: 'pictures', endpoint: s3.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' } },
  })
  expect(await sync(client, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 1 } })
  expect((await server.end()).code).toBe(0)
})
