import { SluiceError } from '../../errors.ts'
import type { ObjectInfo } from '../provider.ts'

/** A response to ListObjectsV2. Keys are as in the response, so they may be percent-encoded. */
export interface Listing {
  /** Name of the bucket. Undefined if the response is not a listing. */
  name: string | undefined
  isTruncated: boolean | undefined
  /** How keys are encoded: `url`, or undefined. */
  encoding: string | undefined
  objects: ObjectInfo[]
  lastFolder: string | undefined
  /** NextContinuationToken: continues after this page. */
  token: string | undefined
}

const prolog =
  /^(?:<\?xml version=["']1\.0["'](?: encoding=["']UTF-8["'])?(?: standalone=["']\w+["'])?\s*\?>)?\s*<ListBucketResult(?: xmlns=["'][^"'<>&]*["'])?>/i
const entities = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }))
const hasElements = /^(?:Contents|CommonPrefixes)$/
const hasText = /^(?:Name|IsTruncated|EncodingType|NextContinuationToken|Prefix|Key|Size|ETag|LastModified)$/
/** Storages nest elements less deeply than this. */
const maxDepth = 8

/** The response uses XML that this reader does not support. */
class Unsupported extends Error {}

/**
 * Reads a response to ListObjectsV2 (Amazon S3 API reference) in the form that storages write: the root has no attribute except
 * its namespace, elements have none, and text contains no comments or CDATA. Returns undefined for any other XML, which needs a
 * full XML parser; that takes ten times as long per key.
 * @throws SluiceError REMOTE_RESPONSE_TOO_LARGE if there are more than `limit` objects.
 */
export function readListing(xml: string, limit = 1_000): Listing | undefined {
  const start = prolog.exec(xml)
  if (!start) return undefined
  try {
    return new Reader(xml, start[0].length).listing(limit)
  } catch (error) {
    if (error instanceof Unsupported) return undefined
    throw error
  }
}

const tooMany = (limit: number) =>
  new SluiceError('REMOTE_RESPONSE_TOO_LARGE', `The storage listed more than the ${limit} keys that were requested.`)

class Reader {
  readonly #xml: string
  #at: number
  /** Name of the last element. `#text` is its text. */
  #name = ''
  #text = ''

  constructor(xml: string, at: number) {
    this.#xml = xml
    this.#at = at
  }

  listing(limit: number): Listing {
    const objects: ObjectInfo[] = []
    const listed: Record<string, string> = Object.create(null)
    let lastFolder: string | undefined
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) {
      if (kind === 'text') {
        if (this.#name in listed || hasElements.test(this.#name)) throw new Unsupported()
        listed[this.#name] = this.#text
      } else if (this.#name === 'Contents') {
        if (objects.length >= limit) throw tooMany(limit)
        objects.push(this.#object())
      } else if (this.#name === 'CommonPrefixes') lastFolder = this.#folder() ?? lastFolder
      else this.#skip()
    }
    if (this.#name !== 'ListBucketResult' || /\S/.test(this.#xml.slice(this.#at))) throw new Unsupported()
    const { Name: name, IsTruncated: more, EncodingType: encoding, NextContinuationToken: token } = listed
    if (more !== undefined && more !== 'true' && more !== 'false') throw new Unsupported()
    const isTruncated = more === undefined ? undefined : more === 'true'
    return { name, isTruncated, encoding, objects, lastFolder, token }
  }

  #object(): ObjectInfo {
    let key: string | undefined
    let size = 0
    let etag: string | null = null
    let lastModified: Date | null = null
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) {
      const text = this.#text
      if (kind === 'parent') this.#skip()
      else if (this.#name === 'Key') {
        if (key !== undefined) throw new Unsupported()
        key = text
      } else if (this.#name === 'Size') size = sizeOf(text)
      else if (this.#name === 'ETag') etag = text
      else if (this.#name === 'LastModified') lastModified = utcTime(text)
    }
    if (key === undefined || this.#name !== 'Contents') throw new Unsupported()
    return { key, size, etag, lastModified }
  }

  #folder(): string | undefined {
    let folder: string | undefined
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) {
      if (kind === 'parent') this.#skip()
      else if (this.#name === 'Prefix') folder = this.#text
    }
    if (this.#name !== 'CommonPrefixes') throw new Unsupported()
    return folder
  }

  /** Moves past the end of an element that is not needed. */
  #skip(depth = 1): void {
    const parent = this.#name
    if (hasText.test(parent) || depth > maxDepth) throw new Unsupported()
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) if (kind === 'parent') this.#skip(depth + 1)
    if (this.#name !== parent) throw new Unsupported()
  }

  /**
   * Moves past the next element that contains only text (`text`), the start tag of an element with children (`parent`), or the
   * end tag of the enclosing element (`end`).
   */
  #next(): 'text' | 'parent' | 'end' {
    const xml = this.#xml
    const from = this.#at
    const open = xml.indexOf('<', from)
    const close = xml.indexOf('>', open)
    if (open < 0 || close < 0 || (open > from && /\S/.test(xml.slice(from, open)))) throw new Unsupported()
    const isEnd = xml[open + 1] === '/'
    const isEmpty = !isEnd && xml[close - 1] === '/'
    const name = xml.slice(isEnd ? open + 2 : open + 1, isEmpty ? close - 1 : close)
    if (!/^[A-Za-z]+$/.test(name)) throw new Unsupported()
    this.#name = name
    this.#text = ''
    this.#at = close + 1
    if (isEnd) return 'end'
    if (isEmpty) return 'text'
    const nextTag = xml.indexOf('<', close)
    if (xml[nextTag + 1] !== '/') return 'parent'
    if (!xml.startsWith(name, nextTag + 2) || xml[nextTag + 2 + name.length] !== '>') throw new Unsupported()
    this.#text = meantBy(xml.slice(close + 1, nextTag))
    this.#at = nextTag + 3 + name.length
    return 'text'
  }
}

/**
 * Decodes character references (XML 1.0 §4.1). Does not support control characters, which XML would normalize (§2.11) or
 * refuse.
 */
function meantBy(text: string): string {
  if (!/[^\t\n -%'-\uFFFF]/.test(text)) return text
  if (/[^\t\n -\uFFFF]/.test(text)) throw new Unsupported()
  // Every ETag contains two of these.
  const quoted = text.replaceAll('&quot;', '"')
  if (!quoted.includes('&')) return quoted
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));|&/gi, (_, decimal, hex, name) => {
    const char = name === undefined ? charOf(decimal ? Number(decimal) : Number.parseInt(hex, 16)) : entities.get(name)
    if (!char) throw new Unsupported()
    return char
  })
}

/** The character with this code; undefined for control characters and surrogates. */
const charOf = (code: number) =>
  code >= 32 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : undefined

function sizeOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Unsupported()
  return Number(text)
}

/** Reads an RFC 3339 time in UTC. `Date` alone would accept many other formats. */
function utcTime(text: string): Date {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(text) ? new Date(text) : undefined
  if (!time || Number.isNaN(time.getTime())) throw new Unsupported()
  return time
}
