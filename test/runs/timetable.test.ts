import { describe, expect, it } from 'vitest'
import { nextTick, timetableErrors } from '../../src/runs/timetable.ts'

const table = (cron: string, timeZone = 'UTC', jitterSeconds = 0) => ({ cron, timeZone, jitterSeconds })

/** The next times as the wall clock of the zone shows them. */
function ticks(cron: string, timeZone: string, { from, count = 3 }: { from: string; count?: number }): string[] {
  const found: string[] = []
  for (let at = new Date(from); found.length < count; ) {
    at = nextTick(table(cron, timeZone), at)
    found.push(at.toISOString().slice(0, 16))
  }
  return found
}

describe('a timetable', () => {
  it('uses the local time of its zone, in winter and in summer', () => {
    expect(ticks('0 3 * * *', 'Europe/Berlin', { from: '2026-03-28T00:00:00Z' })).toEqual([
      '2026-03-28T02:00',
      '2026-03-29T01:00',
      '2026-03-30T01:00',
    ])
  })

  it('runs at once for a time that daylight saving skips, and once for a time that occurs twice', () => {
    expect(ticks('30 2 * * *', 'Europe/Berlin', { from: '2026-03-28T12:00:00Z', count: 2 })).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ])
    expect(ticks('30 2 * * *', 'Europe/Berlin', { from: '2026-10-24T12:00:00Z', count: 2 })).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ])
  })

  it('adds a random delay within its jitter', () => {
    const late = Array.from(
      { length: 200 },
      () =>
        nextTick(table('0 3 * * *', 'UTC', 60), new Date('2026-01-01T00:00:00Z')).getTime() - Date.UTC(2026, 0, 1, 3),
    )
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...late)).toBeLessThan(60_000)
    expect(new Set(late).size).toBeGreaterThan(100)
  })

  it.each(['0 3 * * *', '*/15 8-18 * * MON-FRI', '0 0 L * *', '0 9 * * MON#1', '@daily', '30 0 3 * * *', '0 0 29 2 *'])(
    'accepts %s',
    (cron) => expect(timetableErrors(table(cron), 60)).toEqual([]),
  )

  it.each([
    '',
    'nightly',
    '* * * *',
    '61 * * * *',
    '*/0 * * * *',
    '5-1 * * * *',
    '0 0 30 2 *',
    '2030-01-01T00:00:00',
    '@reboot',
  ])('refuses "%s" as no cron expression', (cron) => {
    expect(timetableErrors(table(cron), 60)).toEqual([
      { path: 'cron', code: 'BAD_CRON', message: expect.stringContaining('such as 0 3 * * *') },
    ])
  })

  it('refuses an endless expression, and a zone that does not exist', () => {
    expect(timetableErrors(table(`${'1,'.repeat(200)}1 * * * *`), 60)).toMatchObject([{ code: 'BAD_CRON' }])
    expect(timetableErrors(table('0 3 * * *', 'Mars/Olympus'), 60)).toMatchObject([
      { path: 'timeZone', code: 'UNKNOWN_TIME_ZONE' },
    ])
  })

  it('refuses times closer than the minimum interval, at any position', () => {
    const fault = (cron: string, minSeconds: number) => timetableErrors(table(cron), minSeconds)[0]
    expect(fault('*/10 * * * * *', 60)).toEqual({
      path: 'cron',
      code: 'TOO_FREQUENT',
      message: 'must leave at least 60 s between two syncs, and there are 10 s',
    })
    expect(fault('0,30 0 3 1 * *', 60)).toMatchObject({ code: 'TOO_FREQUENT' })
    expect(fault('0,58 * * * *', 300)).toMatchObject({ code: 'TOO_FREQUENT' })
    expect(fault('* * * * *', 60)).toBeUndefined()
  })

  it('refuses a jitter that reaches the next time', () => {
    expect(timetableErrors(table('* * * * *', 'UTC', 60), 60)).toMatchObject([{ path: 'jitterSeconds' }])
    expect(timetableErrors(table('* * * * *', 'UTC', -1), 60)).toMatchObject([{ path: 'jitterSeconds' }])
    expect(timetableErrors(table('* * * * *', 'UTC', 59), 60)).toEqual([])
  })
})
