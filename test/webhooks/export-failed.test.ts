import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { drained, exportAll, pending, target } from '@sluice/testkit/exports.ts'
import { startReceiver } from '@sluice/testkit/receiver.ts'
import { storageEvents } from '@sluice/testkit/subscribe.ts'
import { delivered, logged, tell } from '@sluice/testkit/webhooks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

describe('EXPORT_FAILED', () => {
  it('is sent once while the automatic exports to a storage fail, and again for the next failure', async () => {
    const storage = await target(world, { autoExport: true })
    const tasks = await createTasks(world.app, storage.project, [{}, {}])
    const receiver = await startReceiver()
    onTestFinished(() => receiver.stop())
    const webhook = await tell(world.app, storage.project, { url: receiver.url })
    const changes = storageEvents(world.app, 'SSE', { projectId: storage.project })
    await changes.next()
    const isWrite = ({ operation, bucket }: { operation: string; bucket: string }) =>
      operation === 'PutObject' && bucket === storage.bucket
    for (let outage = 1; outage <= 2; outage++) {
      // Both objects, and the first of them once more.
      world.front.fail({ status: 403, code: 'AccessDenied', match: isWrite, times: 3 })
      await annotate(world.app, tasks)
      await drained(world.app, storage.id)
      const log = await logged(world.app, webhook.id, delivered(outage))
      expect(log.map(({ type }) => type)).toEqual(Array(outage).fill('EXPORT_FAILED'))
    }
    const { data } = receiver.received.at(-1)!.message
    expect(data).toEqual({ projectId: storage.project, storageId: storage.id, failure: expect.stringMatching(/./) })
    expect(await pending(world.app, storage.id)).toEqual({ count: 0, failure: null })
    // Subscribers of the project's storages follow runs only.
    await exportAll(world.app, storage.id)
    let { value } = await changes.next()
    while (value?.type === 'Heartbeat') ({ value } = await changes.next())
    expect(value).toMatchObject({ kind: 'STATUS', run: { status: 'QUEUED' } })
    await changes.return(undefined)
  })
})
