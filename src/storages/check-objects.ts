import { type ErrorCode, SluiceError } from '../errors.ts'
import { isFolderMarker } from '../providers/folder-marker.ts'
import { keyFault, printableKey } from '../providers/key-bytes.ts'
import type { ListGap, ObjectInfo, Provider } from '../providers/provider.ts'
import { emptyPrefix } from './prefix-oddity.ts'

/** Faults of one object, which say nothing of the others: a sync goes on after them. */
const ownFaults = new Set<ErrorCode>([
  'ARCHIVED',
  'DENIED',
  'KEY_HAS_DOT_SEGMENTS',
  'KEY_NOT_TEXT',
  'OBJECT_MISSING',
  'WRONG_TYPE',
])
const maxTried = 10

/** What the first page of a listing has. */
export interface Found {
  objects: ObjectInfo[]
  gaps: ListGap[]
}

/**
 * The objects of the first page that would be imported, or else those that could be: at least one.
 * @throws SluiceError what is wrong with the first of them if it is so with all; EMPTY_PREFIX.
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

/** What the check says of the objects that it found. */
export function foundWords({ gaps: [first, ...others] }: Found): string {
  if (!first) return 'There are objects to import.'
  const more = others.length > 0 ? ` and ${others.length} more` : ''
  return `There are objects to import, but "${printableKey(first.key)}"${more} cannot be listed (${first.error.code}): a sync reports what it cannot list, and imports the rest.`
}

/**
 * Uses one object after another until one works: a bucket is not judged by one object. It tries at most 10: the first 5, and 5
 * spread over the rest, because keys that begin alike are often stored alike, such as an archived folder.
 * @throws the fault of most of them, or at once a fault that is not one of the object alone.
 */
export async function useSome(objects: ObjectInfo[], use: (object: ObjectInfo) => Promise<void>): Promise<void> {
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

/** Begins to read an object. */
export async function beginRead(provider: Provider, key: string, signal: AbortSignal): Promise<void> {
  const { body } = await provider.read(key, { signal })
  for await (const _chunk of body) break
  body.destroy()
}
