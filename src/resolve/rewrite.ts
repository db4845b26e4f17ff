import type { Storage } from '../entities/storage.ts'
import { isJsonObject, type Json } from '../json.ts'
import { locationOf } from './pick.ts'
import { createSpanFinder, isAttributeStart } from './uri-spans.ts'
import { type Mapping, pickObject } from './url-mappings.ts'

/** Characters that can precede a URL in a text. */
const beforeUrl = '(?<=^|[\\s"\'`(<>=,;\\[{])'

/**
 * The data of a task with every URI that one of the storages serves, and every URL that one of the mappings leads to an object,
 * replaced by `url(uri)`: at any depth, alone or inside text (see `createSpanFinder`). Everything else stays as it is. Time is
 * linear in the text.
 */
export function rewriteUris(
  data: Json,
  storages: readonly Storage[],
  url: (uri: string) => string,
  mappings: readonly Mapping[] = [],
): Json {
  const starts = storages.map((storage) => {
    const { scheme, bucket, prefix } = locationOf(storage)
    return { bucket: `${scheme}://${bucket}/`, full: `${scheme}://${bucket}/${prefix}` }
  })
  const schemes = [...new Set(starts.map(({ bucket }) => bucket.slice(0, bucket.indexOf(':'))))]
  if (schemes.length === 0) return data
  const prefixes = mappings.map(({ prefix }) => prefix)
  // Not inside a word: `logs://` is not `gs://`. Schemes are letters, digits and hyphens.
  const scheme = `(?<![\\w+.-])(?:${schemes.join('|')})://`
  const urls = prefixes.map((prefix) => prefix.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')
  const startAt = new RegExp(prefixes.length === 0 ? scheme : `${scheme}|${beforeUrl}(?:${urls})`, 'g')
  const isMapped = (uri: string) => prefixes.some((prefix) => uri.startsWith(prefix))
  const serves = (uri: string) =>
    isMapped(uri)
      ? pickObject(uri, { storages, mappings }) !== null
      : starts.some(({ bucket, full }) => uri.length > bucket.length && uri.startsWith(full))

  const text = (value: string): string => {
    const places = [...value.matchAll(startAt)]
      .map(({ index }) => index)
      // The parameter of a URL can be a URL.
      .filter((index) => value[index - 1] !== '=' || !isMapped(value.slice(index)) || isAttributeStart(value, index))
    if (places.length === 0) return value
    // A value that is only a URI may contain any character.
    if (places.length === 1 && places[0] === 0 && serves(value)) return url(value)
    const spansAt = createSpanFinder(value, isMapped)
    let out = ''
    let at = 0
    let read = 0
    for (const start of places) {
      // A URI inside another URI is part of its key.
      if (start < read) continue
      const { spans, next } = spansAt(start)
      read = next
      for (const span of spans) {
        if (!serves(span.uri)) continue
        out += value.slice(at, span.start) + url(span.uri)
        at = span.end
      }
    }
    return out + value.slice(at)
  }

  const walk = (value: Json): Json => {
    if (typeof value === 'string') return text(value)
    if (Array.isArray(value)) return value.map(walk)
    if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item)]))
    return value
  }
  return walk(data)
}

/** The link to the bytes of a URI. With a media token it needs no header. */
export function resolveUrl(options: {
  linksUrl: string
  where: { task: number } | { project: number }
  uri: string
  token?: string | undefined
}): string {
  const { linksUrl, where, uri, token } = options
  const path = 'task' in where ? `tasks/${where.task}` : `projects/${where.project}`
  const link = `${linksUrl}/${path}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
  return token === undefined ? link : `${link}&token=${token}`
}
