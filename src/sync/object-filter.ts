import { crc32 } from 'node:zlib'
import globToRegExp from 'glob-to-regexp'
import { RE2JS } from 're2js'
import type { ImportFilters, Storage } from '../entities/storage.ts'
import { type FieldError, ValidationError } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'

/** Why an object is not imported. */
export const filterRules = [
  'FOLDER_MARKER',
  'REGEX',
  'INCLUDE',
  'EXCLUDE',
  'TOO_SMALL',
  'TOO_LARGE',
  'TOO_NEW',
  'TOO_OLD',
  'SAMPLE',
] as const
export type FilterRule = (typeof filterRules)[number]

/** The rule that leaves an object out; null when it is taken. */
export type ObjectFilter = (object: Omit<ObjectInfo, 'etag'>) => FilterRule | null

/** What of a storage decides which objects are taken. */
export type FilterSettings = Pick<Storage, 'regexFilter' | 'filters'>

/**
 * The filter of a storage. `regexFilter` is matched from the start of the full key and need not reach its end; globs match the
 * whole key (`*` within a folder, `**` over folders); null or empty takes every key. Patterns take time linear in the length
 * of the key. Ages are counted back from `now`; an object without a time is of any age.
 * @throws ValidationError with every fault, paths as in the input of a storage.
 */
export function createObjectFilter({ regexFilter, filters }: FilterSettings, now = new Date()): ObjectFilter {
  const faults: FieldError[] = []
  const { include, exclude, minBytes, maxBytes, minAgeSeconds, maxAgeSeconds, sample } = filters ?? {}
  const regex = regexFilter ? compile(regexFilter, 'regexFilter', faults) : undefined
  const globs = (name: 'include' | 'exclude', patterns: string[] = []) =>
    patterns.map((glob, at) => compile(regexOf(glob), `filters.${name}.${at}`, faults, glob === ''))
  const included = globs('include', include)
  const excluded = globs('exclude', exclude)
  faults.push(...boundFaults(filters ?? {}))
  if (faults.length > 0) throw new ValidationError(faults)

  const newest = minAgeSeconds === undefined ? undefined : now.getTime() - minAgeSeconds * 1_000
  const oldest = maxAgeSeconds === undefined ? undefined : now.getTime() - maxAgeSeconds * 1_000
  return ({ key, size, lastModified }) => {
    if (key.endsWith('/')) return 'FOLDER_MARKER'
    if (regex && !regex.matcher(key).lookingAt()) return 'REGEX'
    if (included.length > 0 && !included.some((glob) => glob!.matches(key))) return 'INCLUDE'
    if (excluded.some((glob) => glob!.matches(key))) return 'EXCLUDE'
    if (minBytes !== undefined && size < minBytes) return 'TOO_SMALL'
    if (maxBytes !== undefined && size > maxBytes) return 'TOO_LARGE'
    if (newest !== undefined && lastModified && lastModified.getTime() > newest) return 'TOO_NEW'
    if (oldest !== undefined && lastModified && lastModified.getTime() < oldest) return 'TOO_OLD'
    if (sample && crc32(key) % sample.of >= sample.take) return 'SAMPLE'
    return null
  }
}

/** A glob as a regular expression of the whole key, without what RE2 lacks. */
const regexOf = (glob: string) => globToRegExp(glob, { extended: true, globstar: true }).source

function compile(pattern: string, path: string, faults: FieldError[], isEmpty = false): RE2JS | undefined {
  try {
    if (isEmpty) throw new Error('is empty')
    return RE2JS.compile(pattern)
  } catch (error) {
    const message = `not a valid ${path === 'regexFilter' ? 'regular expression (RE2 syntax)' : 'glob pattern'}: ${(error as Error).message}`
    faults.push({ path, message })
    return undefined
  }
}

function boundFaults({
  minBytes,
  maxBytes,
  minAgeSeconds,
  maxAgeSeconds,
  maxObjects,
  sample,
}: ImportFilters): FieldError[] {
  const faults: FieldError[] = []
  const add = (path: string, message: string) => faults.push({ path: `filters.${path}`, message })
  for (const [path, value] of Object.entries({ minBytes, maxBytes, minAgeSeconds, maxAgeSeconds })) {
    if (value !== undefined && !(value >= 0)) add(path, 'must not be negative')
  }
  if ((minBytes ?? 0) > (maxBytes ?? Infinity)) add('maxBytes', 'must not be less than minBytes')
  if ((minAgeSeconds ?? 0) > (maxAgeSeconds ?? Infinity)) add('maxAgeSeconds', 'must not be less than minAgeSeconds')
  if (maxObjects !== undefined && maxObjects < 1) add('maxObjects', 'must be at least 1')
  if (sample && !(sample.take >= 1 && sample.of >= sample.take))
    add('sample', 'must take at least 1, and no more than `of`')
  return faults
}
