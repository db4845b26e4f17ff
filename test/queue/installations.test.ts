import { createDatabase } from '@sluice/testkit/app.ts'
import { jobsSetting, openTestQueue } from '@sluice/testkit/jobs.ts'
import { until } from '@sluice/testkit/sql.ts'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const kind = { name: 'a-kind', payload: z.object({ of: z.string(), n: z.number() }) }

it('two installations with the same JOBS_URL never run jobs of each other', async () => {
  const databases = await Promise.all([createDatabase(), createDatabase()])
  onTestFinished(async () => void (await Promise.all(databases.map(({ drop }) => drop()))))
  const jobsUrl = jobsSetting(databases[0].url).JOBS_URL ?? databases[0].url
  const taken: Record<string, string[]> = { here: [], there: [] }
  const queues = await Promise.all(
    ['here', 'there'].map(async (name, at) => {
      const queue = await openTestQueue(databases[at]!.url, { jobsUrl, pollSeconds: 0.05 })
      onTestFinished(queue.stop)
      queue.handle(kind, async ({ of }) => void taken[name]!.push(of))
      await queue.start()
      return { name, queue }
    }),
  )
  for (let n = 0; n < 20; n++) for (const { name, queue } of queues) await queue.enqueue(kind, { of: name, n })
  await until(() => taken.here!.length + taken.there!.length >= 40)
  expect(taken).toEqual({ here: Array(20).fill('here'), there: Array(20).fill('there') })
})
