import { describe, expect, it } from 'vitest'
import type { EventFilter } from '../../src/events/log.ts'
import { lagged, SubscriptionQueue } from '../../src/events/subscription-queue.ts'
import { loggedEvent } from './logged-event.ts'

const open = (filter: EventFilter = {}) => {
  const closed: SubscriptionQueue[] = []
  return { queue: new SubscriptionQueue(filter, (one) => closed.push(one)), closed }
}
const idOf = async (queue: SubscriptionQueue) => {
  const next = await queue.next()
  return typeof next === 'object' ? next.id : next
}

describe('a subscription queue', () => {
  it('delivers events in order, and waits for more', async () => {
    const { queue } = open()
    queue.offer(loggedEvent(1))
    queue.offer(loggedEvent(2))
    expect([await idOf(queue), await idOf(queue)]).toEqual([1, 2])
    const waiting = idOf(queue)
    queue.offer(loggedEvent(3))
    expect(await waiting).toBe(3)
  })

  it.each<EventFilter>([
    { project: 2 },
    { storage: 2 },
    { subject: { type: 'TASK' } },
    { subject: { type: 'TASK', id: 1 } },
    { project: 2, subject: { type: 'TASK', id: 1 } },
  ])('accepts only events that match the filter %j', async (filter) => {
    const { queue } = open(filter)
    queue.offer(loggedEvent(1))
    queue.offer(loggedEvent(2, { project: 2, storage: 2, subject: { type: 'TASK', id: 1 } }))
    expect(await idOf(queue)).toBe(2)
  })

  it('replaces older progress of the same subject, and never a status', async () => {
    const { queue } = open()
    queue.offer(loggedEvent(1))
    queue.offer(loggedEvent(2, { kind: 'PROGRESS' }))
    queue.offer(loggedEvent(3, { kind: 'PROGRESS', subject: { type: 'TASK', id: 1 } }))
    queue.offer(loggedEvent(4, { kind: 'PROGRESS' }))
    queue.offer(loggedEvent(5))
    expect([await idOf(queue), await idOf(queue), await idOf(queue), await idOf(queue)]).toEqual([1, 3, 4, 5])
  })

  it('holds at most 1,000 events, and delivers `lagged` when some were dropped', async () => {
    const { queue } = open()
    for (let id = 1; id <= 1_001; id++) queue.offer(loggedEvent(id))
    expect(await queue.next()).toBe(lagged)
    expect(await idOf(queue)).toBe(1_001)
  })

  it('ends for a waiting subscriber when it is closed, and calls onClose once', async () => {
    const { queue, closed } = open()
    const waiting = queue.next()
    queue.close()
    queue.close()
    expect(await waiting).toBeUndefined()
    expect(await queue.next()).toBeUndefined()
    expect(closed).toEqual([queue])
  })
})
