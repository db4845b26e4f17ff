import { SluiceError } from '../../errors.ts'
import { percentDecoded } from '../key-bytes.ts'
import { decodeXml } from '../kit/decode-xml.ts'
import type { ObjectInfo } from '../provider.ts'
import { quoted } from './open-body.ts'

/** A response of List Blobs. */
export interface Listing {
  objects: ObjectInfo[]
  /** Continues after this page. Empty on the last page. */
  marker: string
}

// A start or end tag with the text before it. Storage APIs write neither comments nor CDATA.
const nextTag = /([^<]*)<(\/?)([A-Za-z_][\w.-]*)(?=[\s/>])([^<>]*?)(\/?)>/y
const maxDepth = 8
const root = 'EnumerationResults'

/**
 * Reads a response of List Blobs (Azure Blob Storage REST API) with at most `limit` blobs. The SDK's XML parser would block the
 * event loop for 0.4 s per page of 1,000 blobs. Omits the empty blobs that Data Lake creates for folders, unless their names
 * end with a slash.
 * @throws SluiceError CONSOLE_URL if it is not such a response, REMOTE_RESPONSE_TOO_LARGE or UNEXPECTED_ANSWER.
 */
export function readListing(xml: string, limit: number): Listing {
  const path: string[] = []
  const objects: ObjectInfo[] = []
  let blob: Blob = {}
  let marker = ''
  let blobs = 0
  // A blob has about 30 properties, and metadata.
  let tagsLeft = limit * 150 + 500
  nextTag.lastIndex = xml.indexOf('<', xml.indexOf('<?') === -1 ? 0 : xml.indexOf('?>'))
  for (;;) {
    const tag = nextTag.exec(xml)
    if (!tag) throw new SluiceError('CONSOLE_URL')
    if (tagsLeft-- === 0) throw new SluiceError('REMOTE_RESPONSE_TOO_LARGE')
    const [, before = '', isEnd, name = '', attributes = '', isEmpty] = tag
    if (!isEnd) {
      if (path.length === 0 && name !== root) throw new SluiceError('CONSOLE_URL')
      if (path.length >= maxDepth) throw new SluiceError('UNEXPECTED_ANSWER')
      if (name === 'Blob') {
        blob = {}
        if (++blobs > limit) throw tooMany(limit)
      }
      if (name === 'Name') blob.isEncoded = /\bEncoded="true"/i.test(attributes)
      if (!isEmpty) path.push(name)
      continue
    }
    if (path.pop() !== name) throw new SluiceError('CONSOLE_URL')
    const parent = path.at(-1)
    const depth = path.length
    if (name === 'Blob' && parent === 'Blobs') {
      const object = objectOf(blob)
      if (object) objects.push(object)
    } else if (path[2] === 'Blob' && (depth === 3 || parent === 'Properties')) take(blob, name, before)
    else if (parent === 'Metadata' && name.toLowerCase() === 'hdi_isfolder')
      blob.isFolder = /^\s*true\s*$/i.test(before)
    else if (name === 'NextMarker' && depth === 1) marker = textOf(before)
    if (depth === 0) return { objects, marker }
  }
}

interface Blob {
  name?: string
  isEncoded?: boolean
  size?: string
  etag?: string
  modified?: string
  isFolder?: boolean
}

function take(blob: Blob, name: string, text: string): void {
  if (name === 'Name') blob.name = blob.isEncoded ? decodeURIComponentOr(textOf(text)) : textOf(text)
  else if (name === 'Content-Length') blob.size = text
  else if (name === 'Etag') blob.etag = textOf(text)
  else if (name === 'Last-Modified') blob.modified = text
}

function objectOf({ name, size = '0', etag, modified, isFolder }: Blob): ObjectInfo | undefined {
  const time = modified === undefined ? null : new Date(modified)
  if (!name || !/^\d{1,15}$/.test(size) || (time && Number.isNaN(time.getTime()))) throw unreadable()
  if (isFolder && size === '0' && !name.endsWith('/')) return undefined
  return { key: name, size: Number(size), etag: quoted(etag), lastModified: time }
}

function textOf(xml: string): string {
  const text = decodeXml(xml)
  if (text === undefined) throw unreadable()
  return text
}

function decodeURIComponentOr(text: string): string {
  const decoded = percentDecoded(text)
  if (decoded === undefined) throw unreadable()
  return decoded
}

const unreadable = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The listing contains a blob without a usable name, size or time.')

const tooMany = (limit: number) =>
  new SluiceError('REMOTE_RESPONSE_TOO_LARGE', `The storage listed more than the ${limit} keys that were requested.`)
