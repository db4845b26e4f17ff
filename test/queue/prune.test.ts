import { createDatabase, startTestApp } from '@sluice/testkit/app.ts'
import { jobsOf, withJobs } from '@sluice/testkit/jobs.ts'
import { until } from '@sluice/testkit/sql.ts'
import { expect, it, onTestFinished } from 'vitest'

it('jobs that failed more than a day ago are deleted; newer ones and waiting ones are not', async () => {
  const database = await createDatabase()
  onTestFinished(database.drop)
  const hours = (count: number) => new Date(Date.now() + count * 3_600_000)
  await withJobs(database.url, async (jobs) => {
    const add = async (name: string, nextRunAt: Date | null, failedAt?: Date) => {
      const job = await jobs.saveJob({ name, type: 'normal', priority: 0, data: {}, nextRunAt }, undefined)
      if (failedAt) await jobs.saveJobState({ ...job, failedAt, failReason: 'no luck' }, undefined)
    }
    for (let n = 0; n < 3; n++) await add('failed-long-ago', null, hours(-25))
    await add('failed-today', null, hours(-23))
    await add('waits', hours(1))
  })
  const app = await startTestApp({}, database)
  onTestFinished(app.stop)
  const names = async () => (await jobsOf(database.url)).map(({ name }) => name).toSorted()
  await until(async () => !(await names()).includes('failed-long-ago'))
  expect(await names()).toEqual(['failed-today', 'waits'])
})
