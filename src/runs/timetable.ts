import { Cron } from 'croner'
import type { FieldError } from '../errors.ts'
import { toError } from '../unknown.ts'

/** Recurring times. */
interface Timetable {
  /** Five fields, or six with seconds first; with `L`, `#` and names such as MON or `@daily` as in croner. */
  cron: string
  /** IANA name of the time zone of `cron`. */
  timeZone: string
  /** Random delay in seconds (0 to this value) added to each time. */
  jitterSeconds: number
}

const maxCronLength = 200
// The seconds and minutes repeat in every hour, so this many times contain the smallest gap.
const checkedTicks = 100

/** Errors of a timetable: an invalid expression, an unknown time zone, or two times less than `minSeconds` apart. */
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
 * The first time after `from`, plus its random delay. A time that the change to summer time skips comes right after the gap; a
 * time that occurs twice in autumn counts at its first occurrence. @throws Error if the expression has no further time
 */
export function nextTick({ cron, timeZone, jitterSeconds }: Timetable, from: Date): Date {
  const tick = parseCron(cron, timeZone).nextRun(from)
  if (!tick) throw new Error(`The schedule ${cron} has no time after ${from.toISOString()}.`)
  return new Date(tick.getTime() + Math.random() * jitterSeconds * 1_000)
}

const parseCron = (cron: string, timeZone: string) => new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts' })

/** The next times of an expression, or its error message. */
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
