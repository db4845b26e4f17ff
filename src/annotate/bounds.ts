import { ValidationError } from '../errors.ts'

/** How many things one request may create, change or delete. */
export const maxAtOnce = 1_000

/** @throws ValidationError when there are too many for one request. */
export function mustBeFew(items: unknown[]): void {
  if (items.length <= maxAtOnce) return
  throw new ValidationError([{ path: 'input', message: `must be at most ${maxAtOnce.toLocaleString('en')}` }])
}

/** @throws ValidationError when a time is no number of seconds. */
export function mustBeSeconds(items: { leadTimeSeconds?: number | null | undefined }[]): void {
  const faults = items.flatMap(({ leadTimeSeconds: seconds }, at) =>
    typeof seconds === 'number' && seconds < 0
      ? [{ path: `input.${at}.leadTimeSeconds`, message: 'must not be negative' }]
      : [],
  )
  if (faults.length > 0) throw new ValidationError(faults)
}
