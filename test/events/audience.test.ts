import { describe, expect, it } from 'vitest'
import { Audience, type Prepare } from '../../src/events/audience.ts'
import { Feed, lagged } from '../../src/events/feed.ts'
import type { LoggedEvent } from '../../src/events/log.ts'

const event = (id: number, more: Partial<LoggedEvent> = {}): LoggedEvent => ({
  ...{ id, kind: 'STATUS', project: 1, storage: 1, run: 1, payload: {}, createdAt: new Date(0) },
  ...more,
})

function gather(size: number, prepare: Prepare) {
  const source = new Feed({}, () => {})
  const audience = new Audience(source, prepare)
  const members = Array.from({ length: size }, () => {
    const pushed: string[] = []
    let isFree = true
    const feed: Feed = new Feed(
      {},
      () => audience.leave(feed),
      (message) => {
        if (isFree) pushed.push(message)
        return isFree
      },
    )
    audience.join(feed)
    const jam = () => {
      isFree = false
    }
    return { feed, pushed, jam }
  })
  return { source, audience, members }
}

describe('an audience', () => {
  it('is told by one preparation for all who wait', async () => {
    const prepared: number[] = []
    const { source, members } = gather(600, async ({ id }) => {
      prepared.push(id)
      return `told ${id}`
    })
    for (const { feed } of members) void feed.next()
    source.offer(event(1))
    source.offer(event(2))
    await expect.poll(() => members.at(-1)!.pushed).toEqual(['told 1', 'told 2'])
    expect(prepared).toEqual([1, 2])
    for (const { pushed } of members) expect(pushed).toEqual(['told 1', 'told 2'])
  })

  it('leaves an event to a member who is busy with an earlier one, in its order', async () => {
    const { source, members } = gather(2, async ({ id }) => `told ${id}`)
    const [{ feed, pushed }, idle] = members as [(typeof members)[0], (typeof members)[0]]
    void idle.feed.next()
    source.offer(event(1))
    source.offer(event(2))
    await expect.poll(() => idle.pushed).toEqual(['told 1', 'told 2'])
    expect(pushed).toEqual([])
    expect([await feed.next(), await feed.next()]).toMatchObject([{ id: 1 }, { id: 2 }])
    void feed.next()
    source.offer(event(3))
    await expect.poll(() => pushed).toEqual(['told 3'])
  })

  it('tells nobody what he has seen elsewhere', async () => {
    const { source, members } = gather(1, async ({ id }) => `told ${id}`)
    const [{ feed, pushed }] = members as [(typeof members)[0]]
    feed.seen = 2
    const next = feed.next()
    for (const id of [1, 2, 3]) source.offer(event(id))
    await expect.poll(() => pushed).toEqual(['told 3'])
    feed.close()
    expect(await next).toBeUndefined()
  })

  it.each<[string, Prepare]>([
    ['there is nothing that is the same for all', async () => undefined],
    ['the preparation fails', () => Promise.reject(new Error('not found'))],
  ])('goes to the readers when %s', async (_, prepare) => {
    const { source, members } = gather(2, prepare)
    const waiting = members.map(({ feed }) => feed.next())
    source.offer(event(1))
    expect(await Promise.all(waiting)).toMatchObject([{ id: 1 }, { id: 1 }])
  })

  it('lets events of a member whose client reads slowly wait in its feed', async () => {
    const { source, members } = gather(2, async ({ id }) => `told ${id}`)
    const [fast, slow] = members as [(typeof members)[0], (typeof members)[0]]
    slow.jam()
    void fast.feed.next()
    const waiting = slow.feed.next()
    source.offer(event(1))
    expect(await waiting).toMatchObject({ id: 1 })
    expect(fast.pushed).toEqual(['told 1'])
  })

  it('that is too slow as a whole has each member told that it has lagged', async () => {
    const begun = Promise.withResolvers<void>()
    const start = Promise.withResolvers<void>()
    const { source, members } = gather(2, async () => {
      begun.resolve()
      await start.promise
      return undefined
    })
    const first = members.map(({ feed }) => feed.next())
    source.offer(event(1))
    await begun.promise
    for (let id = 2; id <= 1_100; id++) source.offer(event(id))
    start.resolve()
    expect(await Promise.all(first)).toMatchObject([{ id: 1 }, { id: 1 }])
    expect(await Promise.all(members.map(({ feed }) => feed.next()))).toEqual([lagged, lagged])
  })

  it('lets other work of the process go on while it tells many', async () => {
    const { source, members } = gather(2_000, async () => 'told')
    for (const { feed } of members) void feed.next()
    source.offer(event(1))
    let seenBetween = 0
    while (members.at(-1)!.pushed.length === 0) {
      await new Promise((resolve) => setImmediate(resolve))
      const count = members.filter(({ pushed }) => pushed.length > 0).length
      if (count > 0 && count < 2_000) seenBetween++
    }
    expect(seenBetween).toBeGreaterThan(0)
  })

  it('ends when its last member has left', () => {
    const { source, members } = gather(2, async () => 'told')
    members[0]!.feed.close()
    expect(source.isClosed).toBe(false)
    members[1]!.feed.close()
    expect(source.isClosed).toBe(true)
  })
})
