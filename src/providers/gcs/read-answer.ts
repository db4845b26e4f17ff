import { SluiceError } from '../../errors.ts'
import { fieldsOf } from '../../unknown.ts'
import { isJsonWithin } from '../kit/parse-limits.ts'
import type { ObjectHead, ObjectInfo } from '../provider.ts'

/** A page of objects.list. */
export interface Listing {
  items: ObjectInfo[]
  prefixes: string[]
  nextPageToken: string | undefined
}

const listingDepth = 8
const headLimits = { maxParts: 200, maxDepth: 8 }

/**
 * Reads a response of objects.list (JSON API) with at most `limit` objects.
 * @throws SluiceError CONSOLE_URL if it is not a JSON object, UNEXPECTED_ANSWER for another shape, REMOTE_RESPONSE_TOO_LARGE.
 */
export function readListing(text: string, limit: number): Listing {
  // An object has the four requested fields; emulators send up to 30. A prefix is a single string.
  const {
    items = [],
    prefixes = [],
    nextPageToken,
  } = parse(text, { maxParts: limit * 50 + 2_000, maxDepth: listingDepth })
  if (!Array.isArray(items) || !Array.isArray(prefixes)) throw unreadable()
  if (items.length > limit) {
    throw new SluiceError(
      'REMOTE_RESPONSE_TOO_LARGE',
      `The storage listed more than the ${limit} keys that were requested.`,
    )
  }
  if (nextPageToken !== undefined && typeof nextPageToken !== 'string') throw unreadable()
  if (!prefixes.every((prefix) => typeof prefix === 'string')) throw unreadable()
  return { items: items.map(readObject), prefixes, nextPageToken: nextPageToken || undefined }
}

/** Reads the properties of an object (objects.get). @throws SluiceError as `readListing` */
export function readHead(text: string): ObjectHead {
  const properties = parse(text, headLimits)
  const { contentType, contentEncoding } = properties
  const { size, etag, lastModified } = readProperties(properties)
  return {
    ...{ size, etag, lastModified },
    contentType: typeof contentType === 'string' ? contentType : null,
    ...(typeof contentEncoding === 'string' && contentEncoding !== '' && { contentEncoding }),
  }
}

/** The MD5 in a response of objects.insert, in base64. Undefined if it has none. */
export function readMd5(text: string): string | undefined {
  const { md5Hash } = parse(text, headLimits)
  return typeof md5Hash === 'string' ? md5Hash : undefined
}

/** Uses the generation as etag, because listings, reads and conditions of reads all support it. */
export const etagOf = (generation: unknown) => (generation ? `"${generation}"` : null)

type Fields = Record<string, unknown>

function readObject(item: unknown): ObjectInfo {
  const { name, ...properties } = fieldsOf<'name' | 'size' | 'generation' | 'updated'>(item)
  if (typeof name !== 'string' || name === '') throw unreadable()
  return { key: name, ...readProperties(properties) }
}

function readProperties({ size, generation, updated }: { [N in 'size' | 'generation' | 'updated']?: unknown }) {
  const isVersion = generation === undefined || /^\d{1,20}$/.test(String(generation))
  if (!/^\d{1,15}$/.test(String(size ?? '0')) || !isVersion) throw unreadable()
  const time = typeof updated === 'string' ? new Date(updated) : undefined
  if (time && Number.isNaN(time.getTime())) throw unreadable()
  return { size: Number(size ?? 0), etag: etagOf(generation), lastModified: time ?? null }
}

function parse(text: string, limits: Parameters<typeof isJsonWithin>[1]): Fields {
  if (!isJsonWithin(Buffer.from(text), limits)) {
    throw new SluiceError(/^\s*</.test(text) ? 'CONSOLE_URL' : 'REMOTE_RESPONSE_TOO_LARGE')
  }
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new SluiceError('CONSOLE_URL')
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw new SluiceError('CONSOLE_URL')
  return fieldsOf(answer)
}

const unreadable = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The storage answered with JSON that does not fit its API.')
