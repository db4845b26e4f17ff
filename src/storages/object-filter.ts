import { crc32 } from 'node:zlib'
import type { Storage } from '../entities/storage.ts'
import { type FieldError, ValidationError } from '../errors.ts'
import { isFolderMarker } from '../providers/folder-marker.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import { createSlices, type Slices } from '../security/slices.ts'
import type { ImportFilters } from '../storage-settings/filters.ts'
import { compileGlob, compileRegex, maxPatterns, type Pattern } from './pattern.ts'

/** Why an object is not imported. */
export const filterRules = [
  'FOLDER_MARKER',
  'SIDECAR',
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

/** Decides which objects a sync takes. */
export interface ObjectFilter {
  /** The rule that leaves an object out; null when it is taken. */
  (object: Omit<ObjectInfo, 'etag'>): FilterRule | null
  /**
   * The same for many objects. It gives way to other work of the process whenever `slices` are used up, also between two
   * patterns of one object. Absent where the rule costs next to nothing.
   */
  all?(objects: readonly Omit<ObjectInfo, 'etag'>[], slices?: Slices): Promise<(FilterRule | null)[]>
}

/** What of a storage decides which objects are taken. */
export type FilterSettings = Pick<Storage, 'regexFilter' | 'filters'> & { skipSidecars?: boolean }

// What Spark, Dask and Hadoop write beside their files, and what desktops leave in folders.
const sidecar =
  /(?:^|\/)(?:_SUCCESS|_metadata|_common_metadata|_started_[^/]*|_committed_[^/]*|\.[^/]*\.crc|\.DS_Store|Thumbs\.db)$/

/** Whether a key names a file that another program keeps beside the data, and that is no data itself. */
export const isSidecar = (key: string): boolean => sidecar.test(key)

/**
 * The filter of a storage. `regexFilter` is matched from the start of the full key and need not reach its end; globs match the
 * whole key (`*` within a folder, `**` over folders); null or empty takes every key. Patterns are limited in size, and take time
 * linear in the length of the key. Ages are counted back from `now`; an object without a time is of any age.
 * @throws ValidationError with every fault, paths as in the input of a storage.
 */
export function createObjectFilter(
  { regexFilter, filters, skipSidecars = true }: FilterSettings,
  now = new Date(),
): ObjectFilter & Required<Pick<ObjectFilter, 'all'>> {
  const faults: FieldError[] = []
  const { include, exclude, minBytes, maxBytes, minAgeSeconds, maxAgeSeconds, sample } = filters ?? {}
  const regex = regexFilter ? compile(() => compileRegex(regexFilter), 'regexFilter', faults) : undefined
  const globs = (name: 'include' | 'exclude', patterns: string[] = []) => {
    if (patterns.length > maxPatterns) {
      faults.push({ path: `filters.${name}`, message: `has ${patterns.length} patterns; the limit is ${maxPatterns}` })
      return []
    }
    return patterns.map((glob, at) => compile(() => compileGlob(glob), `filters.${name}.${at}`, faults))
  }
  const included = globs('include', include)
  const excluded = globs('exclude', exclude)
  faults.push(...boundFaults(filters ?? {}))
  if (faults.length > 0) throw new ValidationError(faults)

  const newest = minAgeSeconds === undefined ? undefined : now.getTime() - minAgeSeconds * 1_000
  const oldest = maxAgeSeconds === undefined ? undefined : now.getTime() - maxAgeSeconds * 1_000
  const byAttributes: ObjectRule = ({ key, size, lastModified }) => {
    if (minBytes !== undefined && size < minBytes) return 'TOO_SMALL'
    if (maxBytes !== undefined && size > maxBytes) return 'TOO_LARGE'
    if (newest !== undefined && lastModified && lastModified.getTime() > newest) return 'TOO_NEW'
    if (oldest !== undefined && lastModified && lastModified.getTime() < oldest) return 'TOO_OLD'
    if (sample && crc32(key) % sample.of >= sample.take) return 'SAMPLE'
    return null
  }
  /** Yields after each pattern, so that the caller can give way. */
  function* byPatterns(key: string): Generator<undefined, FilterRule | null> {
    if (regex) {
      if (!regex(key)) return 'REGEX'
      yield
    }
    let isIncluded = included.length === 0
    for (const glob of included) {
      isIncluded = glob!(key)
      yield
      if (isIncluded) break
    }
    if (!isIncluded) return 'INCLUDE'
    for (const glob of excluded) {
      if (glob!(key)) return 'EXCLUDE'
      yield
    }
    return null
  }
  const byName = (object: Parameters<ObjectRule>[0]): FilterRule | null => {
    if (isFolderMarker(object)) return 'FOLDER_MARKER'
    return skipSidecars && isSidecar(object.key) ? 'SIDECAR' : null
  }
  const hasPatterns = regex !== undefined || included.length + excluded.length > 0
  const one: ObjectRule = (object) => {
    const rule = byName(object)
    if (rule) return rule
    return (hasPatterns ? resultOf(byPatterns(object.key)) : null) ?? byAttributes(object)
  }
  const all = async (objects: readonly Omit<ObjectInfo, 'etag'>[], slices = createSlices()) => {
    if (!hasPatterns) return objects.map(one)
    const rules: (FilterRule | null)[] = []
    for (const object of objects) {
      const rule = byName(object)
      if (rule) {
        rules.push(rule)
        continue
      }
      const steps = byPatterns(object.key)
      let step = steps.next()
      while (!step.done) {
        if (slices.isUsedUp()) await slices.next()
        step = steps.next()
      }
      rules.push(step.value ?? byAttributes(object))
      if (slices.isUsedUp()) await slices.next()
    }
    return rules
  }
  return Object.assign(one, { all })
}

type ObjectRule = (object: Omit<ObjectInfo, 'etag'>) => FilterRule | null

function resultOf<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

function compile(pattern: () => Pattern, path: string, faults: FieldError[]): Pattern | undefined {
  try {
    return pattern()
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
