import { SluiceError } from '../../errors.ts'
import type { ObjectInfo } from '../provider.ts'

/** What an answer to ListObjectsV2 says; names as they are written there, which may be percent-encoded. */
export interface Listing {
  /** Absent from what is no listing at all. */
  name: string | undefined
  isTruncated: boolean | undefined
  /** How names are encoded: `url`, or undefined. */
  encoding: string | undefined
  objects: ObjectInfo[]
  lastFolder: string | undefined
  /** Continues after this page: NextContinuationToken. */
  token: string | undefined
}

const prolog =
  /^(?:<\?xml version=["']1\.0["'](?: encoding=["']UTF-8["'])?(?: standalone=["']\w+["'])?\s*\?>)?\s*<ListBucketResult(?: xmlns=["'][^"'<>&]*["'])?>/i
const entities = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }))
const hasElements = /^(?:Contents|CommonPrefixes)$/
const hasText = /^(?:Name|IsTruncated|EncodingType|NextContinuationToken|Prefix|Key|Size|ETag|LastModified)$/
/** More than storages nest elements. */
const maxDepth = 8

/** It is written in a way that is not read here. */
class Doubt extends Error {}

/**
 * Reads an answer to ListObjectsV2 (Amazon S3 API reference) as storages write it: a root without attributes but its namespace,
 * elements without any, their text without comments or CDATA. Undefined for all else, which is for a reader of XML as a
 * whole: that takes ten times as long for a key.
 * @throws SluiceError REMOTE_RESPONSE_TOO_LARGE if there are more than `limit` objects.
 */
export function readListing(xml: string, limit = 1_000): Listing | undefined {
  const start = prolog.exec(xml)
  if (!start) return undefined
  try {
    return new Reader(xml, start[0].length).listing(limit)
  } catch (error) {
    if (error instanceof Doubt) return undefined
    throw error
  }
}

const tooMany = (limit: number) =>
  new SluiceError('REMOTE_RESPONSE_TOO_LARGE', `The storage listed more than the ${limit} keys that were requested.`)

class Reader {
  readonly #xml: string
  #at: number
  /** Of the last element. */
  #name = ''
  #text = ''

  constructor(xml: string, at: number) {
    this.#xml = xml
    this.#at = at
  }

  listing(limit: number): Listing {
    const objects: ObjectInfo[] = []
    const told: Record<string, string> = Object.create(null)
    let lastFolder: string | undefined
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) {
      if (kind === 'text') {
        if (this.#name in told || hasElements.test(this.#name)) throw new Doubt()
        told[this.#name] = this.#text
      } else if (this.#name === 'Contents') {
        if (objects.length >= limit) throw tooMany(limit)
        objects.push(this.#object())
      } else if (this.#name === 'CommonPrefixes') lastFolder = this.#folder() ?? lastFolder
      else this.#skip()
    }
    if (this.#name !== 'ListBucketResult' || /\S/.test(this.#xml.slice(this.#at))) throw new Doubt()
    const { Name: name, IsTruncated: more, EncodingType: encoding, NextContinuationToken: token } = told
    if (more !== undefined && more !== 'true' && more !== 'false') throw new Doubt()
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
        if (key !== undefined) throw new Doubt()
        key = text
      } else if (this.#name === 'Size') size = sizeOf(text)
      else if (this.#name === 'ETag') etag = text
      else if (this.#name === 'LastModified') lastModified = utcTime(text)
    }
    if (key === undefined || this.#name !== 'Contents') throw new Doubt()
    return { key, size, etag, lastModified }
  }

  #folder(): string | undefined {
    let folder: string | undefined
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) {
      if (kind === 'parent') this.#skip()
      else if (this.#name === 'Prefix') folder = this.#text
    }
    if (this.#name !== 'CommonPrefixes') throw new Doubt()
    return folder
  }

  /** Goes behind the end of an element of which nothing is wanted. */
  #skip(depth = 1): void {
    const parent = this.#name
    if (hasText.test(parent) || depth > maxDepth) throw new Doubt()
    for (let kind = this.#next(); kind !== 'end'; kind = this.#next()) if (kind === 'parent') this.#skip(depth + 1)
    if (this.#name !== parent) throw new Doubt()
  }

  /** Goes behind the next element that holds text alone, the beginning of another (`parent`), or the end of the one around. */
  #next(): 'text' | 'parent' | 'end' {
    const xml = this.#xml
    const from = this.#at
    const open = xml.indexOf('<', from)
    const close = xml.indexOf('>', open)
    if (open < 0 || close < 0 || (open > from && /\S/.test(xml.slice(from, open)))) throw new Doubt()
    const isEnd = xml[open + 1] === '/'
    const isEmpty = !isEnd && xml[close - 1] === '/'
    const name = xml.slice(isEnd ? open + 2 : open + 1, isEmpty ? close - 1 : close)
    if (!/^[A-Za-z]+$/.test(name)) throw new Doubt()
    this.#name = name
    this.#text = ''
    this.#at = close + 1
    if (isEnd) return 'end'
    if (isEmpty) return 'text'
    const behind = xml.indexOf('<', close)
    if (xml[behind + 1] !== '/') return 'parent'
    if (!xml.startsWith(name, behind + 2) || xml[behind + 2 + name.length] !== '>') throw new Doubt()
    this.#text = meantBy(xml.slice(close + 1, behind))
    this.#at = behind + 3 + name.length
    return 'text'
  }
}

/** The text that is meant (XML 1.0 §2.11, §4.1). */
function meantBy(text: string): string {
  if (!/[^\t\n -%'-\uFFFF]/.test(text)) return text
  if (/[^\t\n -\uFFFF]/.test(text)) throw new Doubt()
  // Every entity tag has two of these.
  const quoted = text.replaceAll('&quot;', '"')
  if (!quoted.includes('&')) return quoted
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));|&/gi, (_, decimal, hex, name) => {
    const char = name === undefined ? charOf(decimal ? Number(decimal) : Number.parseInt(hex, 16)) : entities.get(name)
    if (!char) throw new Doubt()
    return char
  })
}

/** Of what XML can carry. */
const charOf = (code: number) =>
  code >= 32 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : undefined

function sizeOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Doubt()
  return Number(text)
}

/** As RFC 3339 has it, in UTC; `Date` alone would take much more for a time. */
function utcTime(text: string): Date {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(text) ? new Date(text) : undefined
  if (!time || Number.isNaN(time.getTime())) throw new Doubt()
  return time
}
