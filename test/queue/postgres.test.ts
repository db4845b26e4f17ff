import { createDatabase } from '@sluice/testkit/app.ts'
import { openTestQueue } from '@sluice/testkit/jobs.ts'
import { admin, databaseUrl } from '@sluice/testkit/postgres.ts'
import { query } from '@sluice/testkit/sql.ts'
import { expect, inject, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const kind = { name: 'a-kind', payload: z.object({}) }

it('jobs can be stored in another, empty PostgreSQL, in which several processes create the tables at the same time', async () => {
  const database = await createDatabase()
  const name = `jobs_${new URL(database.url).pathname.slice(1)}`
  await admin(inject('postgres'), `create database ${name}`)
  const jobsUrl = databaseUrl(inject('postgres'), name)
  onTestFinished(async () => {
    await admin(inject('postgres'), `drop database ${name} with (force)`)
    await database.drop()
  })
  const queues = await Promise.all([0, 1, 2].map(() => openTestQueue(database.url, { jobsUrl, pollSeconds: 3_600 })))
  const done = Promise.withResolvers<void>()
  queues[0]!.handle(kind, () => done.promise)
  for (const queue of queues) await queue.start()
  const id = await queues[1]!.enqueue(kind, {})
  await Promise.all(queues.map((queue) => queue.ping()))
  const tables = await query(jobsUrl, `select tablename from pg_tables where tablename like 'agenda_jobs%'`)
  expect(tables).toEqual([{ tablename: expect.stringMatching(/^agenda_jobs_[\da-f]{12}$/) }])
  expect(await query(jobsUrl, `select id from ${tables[0].tablename}`)).toEqual([{ id }])
  expect(await query(database.url, 'select id from agenda_jobs')).toEqual([])
  done.resolve()
  for (const queue of queues) await queue.stop()
})
