import { describe, expect, it } from 'vitest'
import { Feed, lagged } from '../../src/events/feed.ts'
import type { LoggedEvent } from '../../src/events/log.ts'

const event = (id: number, more: Partial<LoggedEvent> = {}): LoggedEvent => ({
  id,
  kind: 'STATUS',
  project: 1,
  storage: 1,
  run: 1,
  payload: {},
  createdAt: new Date(0),
  ...more,
})
const open = (filter = {}) => {
  const closed: Feed[] = []
  return { feed: new Feed(filter, (one) => closed.push(one)), closed }
}
const idOf = async (feed: Feed) => {
  const next = await feed.next()
  return typeof next === 'object' ? next.id : next
}

describe('a feed', () => {
  it('gives what it was offered in order, and waits for more', async () => {
    const { feed } = open()
    feed.offer(event(1))
    feed.offer(event(2))
    expect([await idOf(feed), await idOf(feed)]).toEqual([1, 2])
    const waiting = idOf(feed)
    feed.offer(event(3))
    expect(await waiting).toBe(3)
  })

  it.each([{ project: 2 }, { storage: 2 }, { run: 2 }, { project: 2, run: 2 }])(
    'takes only what %j asks for',
    async (filter) => {
      const { feed } = open(filter)
      feed.offer(event(1))
      feed.offer(event(2, { project: 2, storage: 2, run: 2 }))
      expect(await idOf(feed)).toBe(2)
    },
  )

  it('replaces older progress of the same run by newer, and never a status', async () => {
    const { feed } = open()
    feed.offer(event(1))
    feed.offer(event(2, { kind: 'PROGRESS' }))
    feed.offer(event(3, { kind: 'PROGRESS', run: 2 }))
    feed.offer(event(4, { kind: 'PROGRESS' }))
    feed.offer(event(5))
    expect([await idOf(feed), await idOf(feed), await idOf(feed), await idOf(feed)]).toEqual([1, 3, 4, 5])
  })

  it('holds a bounded number of events, and says when some were dropped', async () => {
    const { feed } = open()
    for (let id = 1; id <= 1_001; id++) feed.offer(event(id))
    expect(await feed.next()).toBe(lagged)
    expect(await idOf(feed)).toBe(1_001)
  })

  it('ends for its reader when it is closed, also while it waits, and tells its hub once', async () => {
    const { feed, closed } = open()
    const waiting = feed.next()
    feed.close()
    feed.close()
    expect(await waiting).toBeUndefined()
    expect(await feed.next()).toBeUndefined()
    expect(closed).toEqual([feed])
  })
})
