import { describe, expect, it } from 'vitest'
import { createSignedUrls } from '../../src/resolve/signed-urls.ts'

const start = Date.parse('2026-03-01T12:00:00Z')

describe('the cache of signed URLs', () => {
  it.each([
    ['https://b/k?X-Amz-Date=20260301T120000Z&X-Amz-Expires=900', '2026-03-01T12:15:00.000Z'],
    ['https://b/k?X-Goog-Date=20260301T120000Z&X-Goog-Expires=60', '2026-03-01T12:01:00.000Z'],
    ['https://b/k?sv=2020-12-06&se=2026-03-01T12%3A15%3A00Z&sig=x', '2026-03-01T12:15:00.000Z'],
    ['https://b/k', undefined],
  ])('reads the expiry of %s as %s', async (url, end) => {
    const { expiresAt } = await createSignedUrls().get('a', async () => new URL(url))
    expect(expiresAt?.toISOString()).toBe(end)
  })

  it('reuses a URL for half its lifetime, and signs once for concurrent requests', async () => {
    let now = start
    let made = 0
    const urls = createSignedUrls({ now: () => now })
    const get = () =>
      urls.get('a', async () => new URL(`https://b/k?n=${++made}&se=${new Date(now + 900_000).toISOString()}`))
    const both = await Promise.all([get(), get()])
    expect([both[0] === both[1], made]).toEqual([true, 1])
    now += 449_000
    expect(await get()).toBe(both[0])
    now += 2_000
    expect((await get()).url).toContain('n=2')
  })

  it.each([24, -24])('signs again after the clock of this machine was set by %i h', async (hours) => {
    const state = { now: start, elapsed: 0 }
    let made = 0
    const urls = createSignedUrls({ now: () => state.now, elapsed: () => state.elapsed })
    const get = () =>
      urls.get('a', async () => new URL(`https://b/k?n=${++made}&se=${new Date(state.now + 900_000).toISOString()}`))
    await get()
    state.now += hours * 3_600_000
    expect((await get()).url).toContain('n=2')
    expect((await get()).url).toContain('n=2')
  })

  it.each([
    ['X-Amz-Date=20260302T120000Z&X-Amz-Expires=900', 'behind'],
    ['X-Amz-Date=20260228T120000Z&X-Amz-Expires=900', 'ahead'],
    ['se=2026-03-02T12:15:00Z', 'behind'],
  ])('uses the expiry in %s or the time to live while the clock of this machine is %s', async (query) => {
    let now = start
    let made = 0
    const urls = createSignedUrls({ now: () => now })
    const get = () => urls.get('a', async () => new URL(`https://b/k?n=${++made}&${query}`), 900_000)
    await get()
    now += 440_000
    expect((await get()).url).toContain('n=1')
    now += 20_000
    expect((await get()).url).toContain('n=2')
  })

  it('does not cache failures, and is bounded', async () => {
    const urls = createSignedUrls({ max: 2 })
    await expect(urls.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    let made = 0
    const get = (name: string) => urls.get(name, async () => new URL(`https://b/k?n=${++made}`))
    for (const name of ['a', 'b', 'c', 'a']) await get(name)
    expect(made).toBe(4)
  })
})
