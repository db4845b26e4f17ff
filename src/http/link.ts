import { LRUCache } from 'lru-cache'
import { SluiceError } from '../errors.ts'
import type { Whereabouts } from '../resolve/locate.ts'
import { readFileuri } from './fileuri.ts'

/** What a resolve link says. */
export interface Link {
  where: Whereabouts
  uri: string
  /** The media token. */
  token: string | null
}

const route = /^\/(tasks|projects)\/([^/]+)\/(?:resolve|presign)\/?$/

/** True if the path is that of a resolve link. */
export function isLinkPath(path: string): boolean {
  return route.test(path)
}

// A player asks for one link over and over, a range at a time.
const read = new LRUCache<string, Link>({ max: 1_000 })

/** Reads the path and query of a resolve link. @throws SluiceError VALIDATION */
export function readLink(url: string): Link {
  const known = read.get(url)
  if (known) return known
  const [path] = url.split('?', 1) as [string]
  const query = new URLSearchParams(url.slice(path.length + 1))
  const link = { where: readWhere(path), uri: readFileuri(query.get('fileuri')), token: query.get('token') }
  read.set(url, link)
  return link
}

function readWhere(path: string): Whereabouts {
  const [, kind, id] = route.exec(path) ?? []
  if (!/^[1-9]\d{0,14}$/.test(id ?? '')) throw new SluiceError('VALIDATION', 'The id must be a number.')
  return kind === 'tasks' ? { task: Number(id) } : { project: Number(id) }
}
