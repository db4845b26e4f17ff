import { SluiceError } from '../../errors.ts'
import { isModestJson } from '../kit/modest.ts'
import type { ObjectHead, ObjectInfo } from '../provider.ts'

/** A page of objects.list. */
export interface Listing {
  items: ObjectInfo[]
  prefixes: string[]
  nextPageToken: string | undefined
}

const listingDepth = 8
const headModesty = { maxParts: 200, maxDepth: 8 }

/**
 * Reads a response of objects.list (JSON API) for at most `limit` objects.
 * @throws SluiceError CONSOLE_URL for what is no JSON object, UNEXPECTED_ANSWER for another shape, REMOTE_RESPONSE_TOO_LARGE.
 */
export function readListing(text: string, limit: number): Listing {
  // An object has the four fields that are asked for; emulators give up to 30. A prefix has one.
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
  const properties = parse(text, headModesty)
  const { contentType, contentEncoding } = properties
  const { size, etag, lastModified } = readProperties(properties)
  return {
    ...{ size, etag, lastModified },
    contentType: typeof contentType === 'string' ? contentType : null,
    ...(typeof contentEncoding === 'string' && contentEncoding !== '' && { contentEncoding }),
  }
}

/** The MD5 in the properties of an object that was written (objects.insert), in base64; undefined if it has none. */
export function readMd5(text: string): string | undefined {
  const { md5Hash } = parse(text, headModesty)
  return typeof md5Hash === 'string' ? md5Hash : undefined
}

/** The generation as an etag: the one mark of a version that listing, reading and conditions on reading have in common. */
export const etagOf = (generation: unknown) => (generation ? `"${generation}"` : null)

type Fields = Record<string, unknown>

function readObject(item: unknown): ObjectInfo {
  const { name, ...properties } = (item ?? {}) as Fields
  if (typeof name !== 'string' || name === '') throw unreadable()
  return { key: name, ...readProperties(properties) }
}

function readProperties({ size, generation, updated }: Fields) {
  const isVersion = generation === undefined || /^\d{1,20}$/.test(String(generation))
  if (!/^\d{1,15}$/.test(String(size ?? '0')) || !isVersion) throw unreadable()
  const time = typeof updated === 'string' ? new Date(updated) : undefined
  if (time && Number.isNaN(time.getTime())) throw unreadable()
  return { size: Number(size ?? 0), etag: etagOf(generation), lastModified: time ?? null }
}

function parse(text: string, modesty: Parameters<typeof isModestJson>[1]): Fields {
  if (!isModestJson(Buffer.from(text), modesty)) {
    throw new SluiceError(/^\s*</.test(text) ? 'CONSOLE_URL' : 'REMOTE_RESPONSE_TOO_LARGE')
  }
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new SluiceError('CONSOLE_URL')
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw new SluiceError('CONSOLE_URL')
  return answer as Fields
}

const unreadable = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The storage answered with JSON of another shape than its API has.')
