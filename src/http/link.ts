import { LRUCache } from 'lru-cache'
import { SluiceError } from '../errors.ts'
import type { TaskOrProject } from '../resolve/find-scope.ts'
import { readFileuri } from './fileuri.ts'

/** The parts of a resolve link. */
interface Link {
  subject: TaskOrProject
  uri: string
  /** The media token. */
  token: string | null
}

const route = /^\/(tasks|projects)\/([^/]+)\/(?:resolve|presign)\/?$/

/** True if the path belongs to a resolve link. */
export function isLinkPath(path: string): boolean {
  return route.test(path)
}

// A media player requests the same link many times, once for each range.
const read = new LRUCache<string, Link>({ max: 1_000 })

/** Reads the path and query of a resolve link. @throws SluiceError VALIDATION */
export function readLink(url: string): Link {
  const known = read.get(url)
  if (known) return known
  const [path] = url.split('?', 1) as [string]
  const query = new URLSearchParams(url.slice(path.length + 1))
  const link = { subject: readSubject(path), uri: readFileuri(query.get('fileuri')), token: query.get('token') }
  read.set(url, link)
  return link
}

function readSubject(path: string): TaskOrProject {
  const [, kind, id] = route.exec(path) ?? []
  if (!/^[1-9]\d{0,14}$/.test(id ?? '')) throw new SluiceError('VALIDATION', 'The id must be a number.')
  return kind === 'tasks' ? { task: Number(id) } : { project: Number(id) }
}
