import { type FieldError, ValidationError } from '../errors.ts'
import { jsonSizeFault } from '../security/json-size.ts'

/** Maximum number of items that one request may create, change or delete. */
const maxItems = 1_000

/** @throws ValidationError if there are more items than one request may have */
export function assertMaxItems(items: unknown[]): void {
  if (items.length <= maxItems) return
  throw new ValidationError([{ path: 'input', message: `must be at most ${maxItems.toLocaleString('en')}` }])
}

/** @throws ValidationError if a time is not a number of seconds */
export function assertSeconds(items: { leadTimeSeconds?: number | null | undefined }[]): void {
  const faults = items.flatMap(({ leadTimeSeconds: seconds }, at) =>
    typeof seconds === 'number' && seconds < 0
      ? [{ path: `input.${at}.leadTimeSeconds`, message: 'must not be negative' }]
      : [],
  )
  if (faults.length > 0) throw new ValidationError(faults)
}

/** The error of a JSON value that is too large: TASK_TOO_LARGE at its path. */
export function jsonFaults(value: unknown, path: string): FieldError[] {
  const message = jsonSizeFault(value)
  return message === undefined ? [] : [{ path, message, code: 'TASK_TOO_LARGE' }]
}

/** @throws ValidationError if the labels of an item are too large */
export function assertSize(items: { result?: unknown }[]): void {
  const faults = items.flatMap(({ result }, at) => jsonFaults(result, `input.${at}.result`))
  if (faults.length > 0) throw new ValidationError(faults)
}

/** @throws ValidationError if the labels of an item are not a list */
export function assertLists(items: { result?: unknown }[]): void {
  const faults = items.flatMap(({ result }, at) =>
    result === undefined || Array.isArray(result)
      ? []
      : [{ path: `input.${at}.result`, message: 'must be a list. Without labels, send an empty list' }],
  )
  if (faults.length > 0) throw new ValidationError(faults)
}
