import { crc32 } from 'node:zlib'
import type { Storage } from '../entities/storage.ts'
import { type FieldError, ValidationError } from '../errors.ts'
import { isFolderMarker } from '../providers/folder-marker.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import { createSlices, type Slices } from '../security/slices.ts'
import type { ImportFilters } from '../storage-settings/filters.ts'
import { toError } from '../unknown.ts'
import { compileGlob, compileRegex, maxPatterns, type Pattern } from './pattern.ts'

/** Why an object is not imported. */
const filterRules = [
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

/** Decides which objects a sync imports. */
export interface ObjectFilter {
  /** The rule that excludes an object. Null if the object is included. */
  (object: Omit<ObjectInfo, 'etag'>): FilterRule | null
  /**
   * The same for many objects. It yields to the event loop whenever `slices` are used up, also between two patterns of one
   * object. Absent if the filter needs hardly any time.
   */
  all?(objects: readonly Omit<ObjectInfo, 'etag'>[], slices?: Slices): Promise<(FilterRule | null)[]>
}

/** The settings of a storage that select objects. */
type FilterSettings = Pick<Storage, 'regexFilter' | 'filters'> & { skipSidecars?: boolean }

// Files that Spark, Dask and Hadoop write next to their data, and that desktops leave in folders.
const sidecar =
  /(?:^|\/)(?:_SUCCESS|_metadata|_common_metadata|_started_[^/]*|_committed_[^/]*|\.[^/]*\.crc|\.DS_Store|Thumbs\.db)$/

/** True if the key names a file that another program keeps next to the data, and that contains no data itself. */
export const isSidecar = (key: string): boolean => sidecar.test(key)

/**
 * Creates the filter of a storage. `regexFilter` must match from the start of the full key, but not to its end. Globs match the
 * whole key (see `translateGlob`). Null or empty includes every key. The size of patterns is limited, and
 * matching takes linear time of the key. Ages count back from `now`; an object without a time matches every age.
 * With `isStored`, a glob may contain syntax of other tools, because it may be older than the rule against it. Its characters stand for
 * themselves, so it matches no usual key.
 * @throws ValidationError with every error; paths as in the input of a storage.
 */
export function createObjectFilter(
  { regexFilter, filters, skipSidecars = true }: FilterSettings,
  now = new Date(),
  { isStored = false }: { isStored?: boolean } = {},
): ObjectFilter & Required<Pick<ObjectFilter, 'all'>> {
  const faults: FieldError[] = []
  const { include, exclude, minBytes, maxBytes, minAgeSeconds, maxAgeSeconds, sample } = filters ?? {}
  const regex = regexFilter ? compile(() => compileRegex(regexFilter), 'regexFilter', faults) : undefined
  const globs = (name: 'include' | 'exclude', patterns: string[] = []) => {
    if (patterns.length > maxPatterns) {
      faults.push({ path: `filters.${name}`, message: `has ${patterns.length} patterns; the limit is ${maxPatterns}` })
      return []
    }
    const pattern = (glob: string) => (isStored ? compileGlob(glob).matches : supportedGlob(glob))
    return patterns.map((glob, at) => compile(() => pattern(glob), `filters.${name}.${at}`, faults))
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
  /** Yields after each pattern, so that the caller can yield to the event loop. */
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

/** The stored globs with syntax of other tools, which match no usual key. */
export function unsupportedGlobs({ include = [], exclude = [] }: ImportFilters): FieldError[] {
  return Object.entries({ include, exclude }).flatMap(([name, globs]) =>
    globs.flatMap((glob, at) => {
      const message = compileGlob(glob).unsupported
      return message === undefined
        ? []
        : [{ path: `filters.${name}.${at}`, message: `${JSON.stringify(glob)} ${message}` }]
    }),
  )
}

function supportedGlob(glob: string): Pattern {
  const { matches, unsupported } = compileGlob(glob)
  if (unsupported) throw new Error(unsupported)
  return matches
}

function compile(pattern: () => Pattern, path: string, faults: FieldError[]): Pattern | undefined {
  try {
    return pattern()
  } catch (error) {
    const message = `not a valid ${path === 'regexFilter' ? 'regular expression (RE2 syntax)' : 'glob pattern'}: ${toError(error).message}`
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
