import type { Storage } from '../entities/storage.ts'
import { isJsonObject, type Json } from '../json.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import { pickStorage } from './pick.ts'

/** Where a URI inside a text ends: at white space, quotes and brackets of HTML. A text that is one URI is taken whole. */
const endOfUri = /[\s"'<>`]/

/**
 * The data of a task with every URI that one of the storages serves replaced by `url(uri)`: at any depth, alone or inside
 * text. Everything else stays as it is.
 */
export function rewriteUris(data: Json, storages: readonly Storage[], url: (uri: string) => string): Json {
  const schemes = new Set(storages.map((storage) => `${providers[storage.provider as ProviderName].uriScheme}://`))
  const serves = (uri: string) => pickStorage(uri, storages) !== null

  const text = (value: string): string => {
    if (![...schemes].some((scheme) => value.includes(scheme))) return value
    if (serves(value)) return url(value)
    let out = ''
    let at = 0
    for (;;) {
      const start = nextUri(value, at)
      if (start === -1) return out + value.slice(at)
      const length = value.slice(start).search(endOfUri)
      const uri = length === -1 ? value.slice(start) : value.slice(start, start + length)
      out += value.slice(at, start) + (serves(uri) ? url(uri) : uri)
      at = start + uri.length
    }
  }

  const nextUri = (value: string, from: number): number => {
    const found = [...schemes].map((scheme) => value.indexOf(scheme, from)).filter((index) => index !== -1)
    return found.length === 0 ? -1 : Math.min(...found)
  }

  const walk = (value: Json): Json => {
    if (typeof value === 'string') return text(value)
    if (Array.isArray(value)) return value.map(walk)
    if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item)]))
    return value
  }
  return walk(data)
}

/** The link under which a browser gets the bytes of a task's URI. */
export function resolveUrl(publicUrl: string, taskId: number, uri: string): string {
  return `${publicUrl}/tasks/${taskId}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
}
