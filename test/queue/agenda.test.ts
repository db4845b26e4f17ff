import { createDatabase } from '@sluice/testkit/app.ts'
import { openTestQueue, withJobs } from '@sluice/testkit/jobs.ts'
import { until } from '@sluice/testkit/sql.ts'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { SluiceError } from '../../src/errors.ts'
import type { Queue } from '../../src/queue/agenda.ts'
import type { QueueSettings } from '../../src/queue/open.ts'

const kind = { name: 'a-kind', payload: z.object({ n: z.number().int() }) }

const state = async (queue: Queue, id: string) => (await queue.look(id)).is

describe('the job queue', () => {
  const started: Queue[] = []
  afterEach(async () => {
    for (const queue of started.splice(0)) await queue.stop()
  })

  /** Two queues on one database, as two processes have; the first one works. */
  async function queues(
    handler: (payload: { n: number }, signal: AbortSignal) => Promise<void>,
    settings: Partial<QueueSettings> = {},
  ) {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const [worker, other] = await Promise.all([0, 1].map(() => openTestQueue(database.url, settings)))
    worker!.handle(kind, handler)
    for (const queue of [worker!, other!]) {
      await queue.start()
      started.push(queue)
    }
    return { worker: worker!, other: other! }
  }

  it('runs a job that another process has enqueued, and deletes it when it is done', async () => {
    const done = Promise.withResolvers<number>()
    const { other } = await queues(async ({ n }) => done.resolve(n))
    const id = await other.enqueue(kind, { n: 7 })
    expect(await done.promise).toBe(7)
    await until(async () => (await state(other, id)) === 'GONE')
  })

  it('is notified of a job at once, long before the next poll', async () => {
    const done = Promise.withResolvers<void>()
    const { other } = await queues(async () => done.resolve(), { pollSeconds: 3_600 })
    await other.enqueue(kind, { n: 1 })
    await done.promise
  })

  it('finds a job while it waits or runs, and no longer after its removal', async () => {
    const gate = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const { worker } = await queues(() => {
      begun.resolve()
      return gate.promise
    })
    const first = await worker.enqueue(kind, { n: 1 })
    await begun.promise
    const second = await worker.enqueue(kind, { n: 2 })
    expect([await state(worker, first), await state(worker, second)]).toEqual(['ALIVE', 'ALIVE'])
    await worker.remove(second)
    expect(await state(worker, second)).toBe('GONE')
    gate.resolve()
  })

  it('finds no job by an id of another database, in any format', async () => {
    const { worker } = await queues(async () => {})
    for (const id of ['00000000-0000-0000-0000-000000000000', '0123456789abcdef01234567', "'", '']) {
      expect(await state(worker, id)).toBe('GONE')
      await worker.remove(id)
    }
  })

  it('passes the job of a dead process to another one when its lock expires', async () => {
    const done = Promise.withResolvers<void>()
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const queue = await openTestQueue(database.url)
    queue.handle(kind, async () => done.resolve())
    // What a process leaves that has taken the job some seconds ago, and dies before it is done.
    await withJobs(database.url, async (jobs) => {
      const takenAt = new Date(Date.now() - 9_000)
      await jobs.saveJob(
        { name: kind.name, type: 'normal', priority: 0, nextRunAt: takenAt, data: { n: 1 } },
        undefined,
      )
      expect(
        await jobs.getNextJobToRun(kind.name, takenAt, new Date(0), takenAt, { lastModifiedBy: 'dead' }),
      ).toBeDefined()
    })
    await queue.start()
    started.push(queue)
    await done.promise
  })

  it('returns that a job has failed, and why', async () => {
    const { worker } = await queues(async () => {
      throw new SluiceError('THROTTLED', 'no luck')
    })
    const id = await worker.enqueue(kind, { n: 1 })
    expect(await until(async () => (await state(worker, id)) !== 'ALIVE' && worker.look(id))).toEqual({
      is: 'FAILED',
      reason: 'no luck',
    })
    await worker.remove(id)
    expect(await worker.look(id)).toEqual({ is: 'GONE' })
  })

  it('refuses a payload of another kind', async () => {
    const { worker } = await queues(async () => {})
    await expect(worker.enqueue(kind, { n: 'x' } as never)).rejects.toThrow()
  })

  it('aborts the signal of a running job when it stops, and waits for the job', async () => {
    const begun = Promise.withResolvers<void>()
    let ended = false
    const { worker } = await queues(async (_payload, signal) => {
      begun.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      ended = true
    })
    await worker.enqueue(kind, { n: 1 })
    await begun.promise
    await worker.stop()
    started.splice(started.indexOf(worker), 1)
    expect(ended).toBe(true)
    // Far less than the queue would wait for a job that does not end.
  }, 15_000)
})
