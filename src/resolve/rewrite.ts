import type { Storage } from '../entities/storage.ts'
import { isJsonObject, type Json } from '../json.ts'
import { providers } from '../providers/registry.ts'
import { parseWebAddress } from '../providers/web-address.ts'
import { createSearch, type Grammar, grammarFor, inAnyCase, literal, schemes } from './grammar.ts'
import { locationOf } from './pick.ts'
import { createSpanFinder, isAttributeStart } from './uri-spans.ts'
import type { UriSpan } from './uri-text.ts'
import { type Mapping, pickObject, type ResolveScope } from './url-mappings.ts'

/** What decides which text of a task is a URI. */
export interface RewriteScope extends Pick<ResolveScope, 'storages'> {
  mappings?: ResolveScope['mappings']
  /** Whether http(s) addresses are resolved. Undefined if this was not read: then they are not. */
  httpsUrls?: boolean | undefined
  /** The URI of the object that the task was imported from. Null if no storage imported the task. Undefined before it is read. */
  ownUri?: string | null | undefined
  /** Is called if the result depends on a field that was not read. */
  onUnread?: (() => void) | undefined
}

/** Characters that can precede a URL in a text. */
const beforeUrl = '(?<=^|[\\s"\'`(<>=,;|\\[{])'
// A host name has at most 253 characters, the name of a bucket 255.
const maxAddressChars = 600

/**
 * The data of a task with every URI that one of the storages serves, and every URL that one of the mappings leads to an object,
 * replaced by `url(uri)`: at any depth, alone or inside text (see `createSpanFinder`). The URI of the task's own object is always
 * whole. Everything else stays as it is. Time is linear in the text.
 */
export function rewriteUris(data: Json, scope: RewriteScope, url: (uri: string) => string): Json {
  const { storages, mappings = none, ownUri, onUnread } = scope
  if (storages.length === 0) return data
  const { starts, grammar, startAt, addresses, isMapped } = preparedFor(storages, mappings)
  const serves = (uri: string) => {
    if (isMapped(uri) || isWebUrl(uri)) return pickObject(uri, { ...scope, mappings }) !== null
    const isInside = (name: string) =>
      starts.some(({ bucket, full }) => name.length > bucket.length && name.startsWith(full))
    if (isInside(uri)) return true
    return isInside(canonical(uri))
  }
  const link = (uri: string) => url(isWebUrl(uri) && !isMapped(uri) ? uri.replace(/[?#][\s\S]*$/, '') : uri)

  /** Whether a mapped URL or the address of a bucket begins at `index`. */
  const isUrlStart = (value: string, index: number) => {
    const head = value.slice(index, index + maxAddressChars)
    if (!isMapped(head)) {
      if (!isAddress(head, storages)) return false
      if (scope.httpsUrls === undefined) onUnread?.()
      if (!scope.httpsUrls) return false
    }
    // The parameter of a URL can be a URL.
    return value[index - 1] !== '=' || isAttributeStart(value, index)
  }

  /** Where URIs and URLs begin. */
  const placesIn = (value: string): number[] => {
    const mayHaveAddress = addresses && scope.httpsUrls !== false && (value.includes('ttp') || value.includes('TTP'))
    const hasAddress = mayHaveAddress && addresses.hosts.test(value)
    const places: number[] = []
    for (const { 0: found, index } of value.matchAll(hasAddress ? addresses.startAt : startAt)) {
      const isUrl = found.startsWith('/') || isWebUrl(found)
      if (isUrl ? isUrlStart(value, index) : isWordStart(value, index)) places.push(index)
    }
    return places
  }

  const text = (value: string): string => {
    if (mappings.length === 0 && !value.includes('://')) return value
    const places = placesIn(value)
    if (places.length === 0) return value
    if (ownUri && canonical(value) === ownUri && serves(value)) return link(value)
    const whole = places.length === 1 ? wholeUri(value, places[0]!, grammar) : undefined
    if (whole && serves(whole.uri)) {
      // The own key can end in white space.
      if (whole.uri.length < value.length && ownUri === undefined) onUnread?.()
      return value.slice(0, whole.start) + link(whole.uri) + value.slice(whole.end)
    }
    const spansAt = createSpanFinder(value, grammar)
    let out = ''
    let at = 0
    let read = 0
    for (const start of places) {
      // A URI inside another URI is part of its key.
      if (start < read) continue
      const found = spansAt(start)
      if (found.isBare && ownUri === undefined) onUnread?.()
      const own = found.isBare && ownUri ? ownSpan(value, start, ownUri) : undefined
      const isOwn = own !== undefined && own.end > (found.spans[0]?.end ?? start)
      read = isOwn ? own.end : found.next
      for (const span of isOwn ? [own] : found.spans) {
        if (!serves(span.uri)) continue
        out += value.slice(at, span.start) + link(span.uri)
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

const isWebUrl = (uri: string) => (uri[0] === 'h' || uri[0] === 'H') && /^https?:/i.test(uri)

/** Whether a scheme does not begin inside a word (`logs://` is not `gs://`). It can follow a line break as JSON writes it. */
const isWordStart = (value: string, index: number) =>
  index === 0 ||
  !/[\w+.-]/.test(value[index - 1]!) ||
  /\\(?:[nrt]|u00[0-3][\da-fA-F])$/.test(value.slice(Math.max(0, index - 6), index))

/** The URI with the scheme of the storage instead of an alias. */
function canonical(uri: string): string {
  const at = uri.indexOf(':')
  return (schemes.get(uri.slice(0, at).toLowerCase()) ?? '') + uri.slice(Math.max(at, 0))
}

/** What depends only on the storages and mappings of a project. */
interface Prepared {
  mappings: readonly Mapping[]
  starts: { bucket: string; full: string }[]
  grammar: Grammar
  /** Global: where URIs and mapped URLs begin. */
  startAt: RegExp
  /** For texts that have one of the hosts: also where http(s) URLs begin. */
  addresses: { hosts: RegExp; startAt: RegExp } | undefined
  isMapped: (url: string) => boolean
}

const none: readonly Mapping[] = []
const prepared = new WeakMap<readonly Storage[], Prepared>()

function preparedFor(storages: readonly Storage[], mappings: readonly Mapping[]): Prepared {
  const known = prepared.get(storages)
  if (known?.mappings === mappings) return known
  const places = storages.map(locationOf)
  const prefixes = mappings.map(({ prefix }) => prefix)
  const used = new Set(places.map(({ scheme }) => scheme))
  const names = [...schemes].filter(([, scheme]) => used.has(scheme)).map(([name]) => name)
  const scheme = `(?:${names.map(inAnyCase).join('|')})://`
  const startsWith = (urls: string[]) =>
    new RegExp(urls.length === 0 ? scheme : `${scheme}|${beforeUrl}(?:${urls.join('|')})`, 'g')
  const hosts = storages.flatMap(
    ({ provider, location }) => providers[provider].addresses?.hosts(location as never) ?? [],
  )
  const urls = prefixes.map(literal)
  const made: Prepared = {
    mappings,
    starts: places.map(({ scheme, bucket, prefix }) => ({
      bucket: `${scheme}://${bucket}/`,
      full: `${scheme}://${bucket}/${prefix}`,
    })),
    grammar: grammarFor(prefixes),
    startAt: startsWith(urls),
    addresses:
      hosts.length === 0
        ? undefined
        : {
            hosts: new RegExp([...new Set(hosts)].map(literal).join('|'), 'i'),
            startAt: startsWith([...urls, `${inAnyCase('http')}[sS]?://`]),
          },
    isMapped: (url) => prefixes.some((prefix) => url.startsWith(prefix)),
  }
  prepared.set(storages, made)
  return made
}

/** Whether an http(s) URL begins with the address of a bucket. */
function isAddress(head: string, storages: readonly Storage[]): boolean {
  const address = parseWebAddress(/^[^\s"'<>`]*/.exec(head)![0])
  return (
    address !== undefined &&
    storages.some(
      ({ provider, location }) => providers[provider].addresses?.encodedKeyIn(location as never, address) !== undefined,
    )
  )
}

/** The URI of a value that is only a URI, with any characters but those that end one everywhere. Undefined for other text. */
function wholeUri(value: string, start: number, grammar: Grammar): UriSpan | undefined {
  if (start > 0 && value.slice(0, start).trim() !== '') return undefined
  const uri = value.slice(start).trimEnd()
  if (!/[\t\r\n<\\&,;|]/.test(uri)) return { start, end: start + uri.length, uri }
  return createSearch(uri, grammar.stop)(0) < 0 ? { start, end: start + uri.length, uri } : undefined
}

/** The task's own URI at a place in a text, if it does not go on there as another URI. */
function ownSpan(value: string, start: number, uri: string): UriSpan | undefined {
  const end = start + uri.length
  const goesOn = /^(?:[\p{L}\p{N}_/%+~-]|\.[\p{L}\p{N}])/u.test(value.slice(end, end + 4))
  return value.startsWith(uri, start) && !goesOn ? { start, end, uri } : undefined
}
