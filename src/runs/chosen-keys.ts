import type { Relocation } from '../entities/sync-run.ts'
import { type FieldError, SluiceError, ValidationError } from '../errors.ts'
import { keyFault } from '../providers/key-bytes.ts'

/** Most distinct keys of one run. */
const maxChosenKeys = 10_000
const maxReported = 20

/**
 * Returns each key once.
 * @throws ValidationError if there is no key or more than 10,000, or if a key is invalid; it names the first 20 invalid keys.
 */
export function distinctKeys(keys: readonly string[]): string[] {
  const distinct = [...new Set(keys)]
  if (distinct.length === 0) throw new ValidationError([{ path: 'input.keys', message: 'must not be empty' }])
  if (distinct.length > maxChosenKeys) {
    const message = `has ${distinct.length} distinct keys; the limit is ${maxChosenKeys.toLocaleString('en')}`
    throw new ValidationError([{ path: 'input.keys', message }])
  }
  const errors = keys.flatMap((key, at): FieldError[] => {
    const path = `input.keys.${at}`
    if (key === '') return [{ path, message: 'must not be empty' }]
    const code = keyFault(key)
    return code ? [{ path, message: new SluiceError(code).message, code }] : []
  })
  if (errors.length > 0) throw new ValidationError(errors.slice(0, maxReported))
  return distinct
}

/** @throws ValidationError if a prefix cannot start a key, or if both are equal */
export function assertRelocation({ from, to }: Relocation): void {
  const errors = Object.entries({ from, to }).flatMap(([name, prefix]): FieldError[] => {
    const code = prefix === '' ? null : keyFault(prefix)
    return code ? [{ path: `input.${name}`, message: new SluiceError(code).message, code }] : []
  })
  if (from === to) errors.push({ path: 'input.to', message: 'must differ from `from`' })
  if (errors.length > 0) throw new ValidationError(errors)
}
