import { onTestFinished, vi } from 'vitest'

const realNow = Date.now

/** The true time, in milliseconds since 1970, while the clock of this process is wrong. */
export const trueNow = (): number => realNow()

/** Stops the clock of this process at a time that is wrong by `hours` hours. After the test, the clock runs and is right again. */
export function setClockWrong(hours: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: realNow() + hours * 3_600_000 })
  onTestFinished(correctClock)
}

/** Sets the clock of this process right. */
export function correctClock(): void {
  vi.useRealTimers()
}
