import { type ErrorCode, SluiceError } from '../errors.ts'
import { isFolderMarker } from '../providers/folder-marker.ts'
import { keyFault, printableKey } from '../providers/key-bytes.ts'
import type { ListGap, ObjectInfo, Provider } from '../providers/provider.ts'
import { emptyPrefix } from './prefix-mistake.ts'

/** Errors that concern one object only. A sync reports them as issues and continues. */
const ownFaults = new Set<ErrorCode>([
  'ARCHIVED',
  'DENIED',
  'KEY_HAS_DOT_SEGMENTS',
  'KEY_NOT_TEXT',
  'OBJECT_MISSING',
  'WRONG_TYPE',
])
const maxTried = 10

/** Contents of the first page of a listing. */
interface Found {
  objects: ObjectInfo[]
  gaps: ListGap[]
}

/**
 * Returns the objects of the first page that a sync would import. If the filter excludes all, it returns those that could be
 * imported. There is at least one.
 * @throws SluiceError EMPTY_PREFIX; the error of the first object, or of a folder, if no object is usable.
 */
export async function findObjects(
  provider: Provider,
  {
    prefix,
    recursive,
    takes,
  }: { prefix: string; recursive: boolean; takes: (object: ObjectInfo) => boolean | Promise<boolean> },
  signal: AbortSignal,
): Promise<Found> {
  const { objects, gaps = [] } = await provider.list({ cursor: null, limit: 1_000, recursive, signal })
  const files = objects.filter((object) => !isFolderMarker(object))
  const usable = files.filter(({ key, fault }) => !fault && !keyFault(key))
  if (usable.length === 0) throw faultOf(files) ?? gaps[0]?.error ?? emptyPrefix(prefix)
  const taken: ObjectInfo[] = []
  for (const file of usable) if (await takes(file)) taken.push(file)
  return { objects: taken.length > 0 ? taken : usable, gaps }
}

function faultOf([first]: ObjectInfo[]): SluiceError | undefined {
  const code = first && keyFault(first.key)
  return code ? new SluiceError(code) : first?.fault
}

/** The message of the check about the objects that it found. */
export function foundMessage({ gaps: [first, ...others] }: Found): string {
  if (!first) return 'There are objects to import.'
  const more = others.length > 0 ? ` and ${others.length} more` : ''
  return `There are objects to import, but "${printableKey(first.key)}"${more} cannot be listed (${first.error.code}): a sync reports what it cannot list, and imports the rest.`
}

/**
 * Tries objects until one works, because a single object does not represent its bucket. It tries at most 10: the first 5, and 5
 * spread over the rest. Objects of one folder often have the same problem, for example if the folder is archived.
 * @throws the most frequent error; or at once an error that does not concern the object alone.
 */
export async function tryObjects(objects: ObjectInfo[], use: (object: ObjectInfo) => Promise<void>): Promise<void> {
  const faults: SluiceError[] = []
  for (const object of sampleOf(objects)) {
    try {
      return await use(object)
    } catch (error) {
      if (!(error instanceof SluiceError) || !ownFaults.has(error.code)) throw error
      faults.push(error)
    }
  }
  const count = ({ code }: SluiceError) => faults.filter((fault) => fault.code === code).length
  const [first] = faults.toSorted((a, b) => count(b) - count(a))
  if (first) throw first
}

function sampleOf(objects: ObjectInfo[]): ObjectInfo[] {
  if (objects.length <= maxTried) return objects
  const near = maxTried / 2
  const rest = objects.slice(near)
  const far = Array.from({ length: near }, (_, n) => rest[Math.round((n * (rest.length - 1)) / (near - 1))]!)
  return [...objects.slice(0, near), ...far.reverse()]
}

/** Reads the first chunk of an object. */
export async function beginRead(provider: Provider, key: string, signal: AbortSignal): Promise<void> {
  const { body } = await provider.read(key, { signal })
  for await (const _chunk of body) break
  body.destroy()
}
