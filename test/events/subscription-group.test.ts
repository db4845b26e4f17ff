import { describe, expect, it } from 'vitest'
import { type Serialize, SubscriptionGroup } from '../../src/events/subscription-group.ts'
import { lagged, SubscriptionQueue } from '../../src/events/subscription-queue.ts'
import { loggedEvent } from './logged-event.ts'

function gather(size: number, serialize: Serialize) {
  const source = new SubscriptionQueue({}, () => {})
  const group = new SubscriptionGroup(source, serialize)
  const members = Array.from({ length: size }, () => {
    const pushed: string[] = []
    let isFree = true
    const queue: SubscriptionQueue = new SubscriptionQueue(
      {},
      () => group.leave(queue),
      (message) => {
        if (isFree) pushed.push(message)
        return isFree
      },
    )
    group.join(queue)
    const jam = () => {
      isFree = false
    }
    return { queue, pushed, jam }
  })
  return { source, group, members }
}

describe('a group of equal subscriptions', () => {
  it('serializes an event once and sends it to all members that wait', async () => {
    const serialized: number[] = []
    const { source, members } = gather(600, async ({ id }) => {
      serialized.push(id)
      return `sent ${id}`
    })
    for (const { queue } of members) void queue.next()
    source.offer(loggedEvent(1))
    source.offer(loggedEvent(2))
    await expect.poll(() => members.at(-1)!.pushed).toEqual(['sent 1', 'sent 2'])
    expect(serialized).toEqual([1, 2])
    for (const { pushed } of members) expect(pushed).toEqual(['sent 1', 'sent 2'])
  })

  it('queues events for a member that still handles an earlier one, in order', async () => {
    const { source, members } = gather(2, async ({ id }) => `sent ${id}`)
    const [{ queue, pushed }, idle] = members as [(typeof members)[0], (typeof members)[0]]
    void idle.queue.next()
    source.offer(loggedEvent(1))
    source.offer(loggedEvent(2))
    await expect.poll(() => idle.pushed).toEqual(['sent 1', 'sent 2'])
    expect(pushed).toEqual([])
    expect([await queue.next(), await queue.next()]).toMatchObject([{ id: 1 }, { id: 2 }])
    void queue.next()
    source.offer(loggedEvent(3))
    await expect.poll(() => pushed).toEqual(['sent 3'])
  })

  it('does not send events that a member has received elsewhere', async () => {
    const { source, members } = gather(1, async ({ id }) => `sent ${id}`)
    const [{ queue, pushed }] = members as [(typeof members)[0]]
    queue.lastId = 2
    const next = queue.next()
    for (const id of [1, 2, 3]) source.offer(loggedEvent(id))
    await expect.poll(() => pushed).toEqual(['sent 3'])
    queue.close()
    expect(await next).toBeUndefined()
  })

  it.each<[string, Serialize]>([
    ['no common message exists', async () => undefined],
    ['the serialization fails', () => Promise.reject(new Error('not found'))],
  ])('queues the event for each member when %s', async (_, serialize) => {
    const { source, members } = gather(2, serialize)
    const waiting = members.map(({ queue }) => queue.next())
    source.offer(loggedEvent(1))
    expect(await Promise.all(waiting)).toMatchObject([{ id: 1 }, { id: 1 }])
  })

  it('queues events for a member whose client reads slowly', async () => {
    const { source, members } = gather(2, async ({ id }) => `sent ${id}`)
    const [fast, slow] = members as [(typeof members)[0], (typeof members)[0]]
    slow.jam()
    void fast.queue.next()
    const waiting = slow.queue.next()
    source.offer(loggedEvent(1))
    expect(await waiting).toMatchObject({ id: 1 })
    expect(fast.pushed).toEqual(['sent 1'])
  })

  it('sends `lagged` to each member when the whole group is too slow', async () => {
    const begun = Promise.withResolvers<void>()
    const start = Promise.withResolvers<void>()
    const { source, members } = gather(2, async () => {
      begun.resolve()
      await start.promise
      return undefined
    })
    const first = members.map(({ queue }) => queue.next())
    source.offer(loggedEvent(1))
    await begun.promise
    for (let id = 2; id <= 1_100; id++) source.offer(loggedEvent(id))
    start.resolve()
    expect(await Promise.all(first)).toMatchObject([{ id: 1 }, { id: 1 }])
    expect(await Promise.all(members.map(({ queue }) => queue.next()))).toEqual([lagged, lagged])
  })

  it('yields to other work of the process while it serves many members', async () => {
    const { source, members } = gather(2_000, async () => 'sent')
    for (const { queue } of members) void queue.next()
    source.offer(loggedEvent(1))
    let seenBetween = 0
    for (let turn = 0; turn < 100_000 && members.at(-1)!.pushed.length === 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      const count = members.filter(({ pushed }) => pushed.length > 0).length
      if (count > 0 && count < 2_000) seenBetween++
    }
    expect(seenBetween).toBeGreaterThan(0)
  })

  it('closes its source when the last member leaves', () => {
    const { source, members } = gather(2, async () => 'sent')
    members[0]!.queue.close()
    expect(source.isClosed).toBe(false)
    members[1]!.queue.close()
    expect(source.isClosed).toBe(true)
  })
})
