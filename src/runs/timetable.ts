import { Cron } from 'croner'
import type { FieldError } from '../errors.ts'
import { toError } from '../unknown.ts'

/** When something is to happen again and again. */
interface Timetable {
  /** Five fields, or six with seconds first; `L`, `#` and names such as MON or `@daily` as croner has them. */
  cron: string
  /** IANA name of the zone whose wall clock is meant. */
  timeZone: string
  /** Each time comes up to so much later, by chance. */
  jitterSeconds: number
}

const maxCronLength = 200
// The gaps between the seconds and minutes of one hour come again in every other, so that so many ticks show the least one.
const checkedTicks = 100

/** What is wrong with a timetable: an expression that is none, an unknown zone, times that come too close to each other. */
export function timetableErrors({ cron, timeZone, jitterSeconds }: Timetable, minSeconds: number): FieldError[] {
  if (!isZone(timeZone)) {
    const message = `must be a time zone such as Europe/Berlin or UTC`
    return [{ path: 'timeZone', code: 'UNKNOWN_TIME_ZONE', message }]
  }
  const ticks = ticksOf(cron, timeZone)
  if (typeof ticks === 'string') return [{ path: 'cron', code: 'BAD_CRON', message: ticks }]
  const gapSeconds = Math.min(...ticks.slice(1).map((tick, at) => (tick.getTime() - ticks[at]!.getTime()) / 1_000))
  if (gapSeconds < minSeconds) {
    const message = `must leave at least ${minSeconds} s between two syncs, and there are ${gapSeconds} s`
    return [{ path: 'cron', code: 'TOO_FREQUENT', message }]
  }
  if (jitterSeconds < 0 || jitterSeconds >= gapSeconds) {
    return [{ path: 'jitterSeconds', message: `must be from 0 to less than the ${gapSeconds} s between two syncs` }]
  }
  return []
}

/**
 * The first time behind `from`, jitter included. A time that the change to summer time leaves out comes right behind the gap;
 * one that comes twice in autumn comes the first time. @throws Error when the expression has no further time.
 */
export function nextTick({ cron, timeZone, jitterSeconds }: Timetable, from: Date): Date {
  const tick = parseCron(cron, timeZone).nextRun(from)
  if (!tick) throw new Error(`The schedule ${cron} has no time after ${from.toISOString()}.`)
  return new Date(tick.getTime() + Math.random() * jitterSeconds * 1_000)
}

const parseCron = (cron: string, timeZone: string) => new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts' })

/** The next times of an expression, or what is wrong with it. */
function ticksOf(cron: string, timeZone: string): Date[] | string {
  const example = 'such as 0 3 * * * (every night at three)'
  if (cron.length > maxCronLength) return `must be at most ${maxCronLength} characters`
  try {
    const ticks = parseCron(cron, timeZone).nextRuns(checkedTicks)
    return ticks.length > 1 ? ticks : `must come again and again, ${example}`
  } catch (error) {
    return `must be a cron expression ${example}. ${toError(error).message.replace(/^CronPattern: /, '')}`
  }
}

function isZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return true
  } catch {
    return false
  }
}
