import { RE2JS } from 're2js'
import { SluiceError } from '../errors.ts'

/** Decides by key alone whether an object is imported. */
export type KeyFilter = (key: string) => boolean

/**
 * A filter from a storage's `regexFilter`: matched from the start of the full key, need not reach its end; null or empty
 * takes every key. The engine is linear in the length of the key. Folder markers (keys that end in `/`) never pass.
 * @throws SluiceError VALIDATION when the pattern is not valid RE2 syntax.
 */
export function createKeyFilter(regexFilter: string | null | undefined): KeyFilter {
  if (!regexFilter) return (key) => !key.endsWith('/')
  let pattern: RE2JS
  try {
    pattern = RE2JS.compile(regexFilter)
  } catch (cause) {
    throw new SluiceError('VALIDATION', `not a valid regular expression (RE2 syntax): ${(cause as Error).message}`, {
      cause,
    })
  }
  return (key) => !key.endsWith('/') && pattern.matcher(key).lookingAt()
}
