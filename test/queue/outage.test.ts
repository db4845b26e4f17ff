import { createDatabase, startTestApp } from '@sluice/testkit/app.ts'
import { gateToJobs } from '@sluice/testkit/gate.ts'
import { openTestQueue } from '@sluice/testkit/jobs.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, finished, startSync } from '@sluice/testkit/scenario.ts'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

async function gated() {
  const database = await createDatabase()
  const { gate, jobsUrl } = await gateToJobs(database.url)
  onTestFinished(async () => {
    await gate.stop()
    await database.drop()
  })
  return { database, gate, jobsUrl }
}

it('a queue whose database is down reports it, and runs the waiting jobs when it is back', async () => {
  const kind = { name: 'a-kind', payload: z.object({}) }
  const { database, gate, jobsUrl } = await gated()
  const queue = await openTestQueue(database.url, { jobsUrl })
  const done = Promise.withResolvers<void>()
  queue.handle(kind, async () => done.resolve())
  const id = await queue.enqueue(kind, {})
  gate.close()
  await expect(queue.ping()).rejects.toThrow()
  await expect(queue.enqueue(kind, {})).rejects.toThrow()
  expect(await queue.offer(kind, {})).toBeUndefined()
  await queue.remove(id)
  gate.open()
  await queue.start()
  await done.promise
  await queue.ping()
  await queue.stop()
})

it('a sync that is started while the job database is down is queued, and runs when it is back', async () => {
  const { database, gate, jobsUrl } = await gated()
  const s3 = await startS3()
  const app = await startTestApp({ JOBS_URL: jobsUrl, LOG_LEVEL: 'silent' }, database)
  await s3.createBucket('files')
  await s3.seed('files', { count: 3 })
  const { storage } = await createStorage(app, {
    projectId: await createProject(app),
    location: { s3: { bucket: 'files', endpoint: s3.endpoint, accessKeyId: 'a', secretAccessKey: 'b' } },
    skipCheck: true,
  })
  const ready = async () => (await fetch(`${app.url}/ready`)).status
  expect(await ready()).toBe(200)
  gate.close()
  expect(await ready()).toBe(503)
  const run = await startSync(app, storage.id)
  gate.open()
  expect(await finished(app, run)).toMatchObject({ status: 'COMPLETED', attempt: 1, counters: { created: 3 } })
  expect(await ready()).toBe(200)
  await app.stop()
  await s3.stop()
})
