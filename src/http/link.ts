import { LRUCache } from 'lru-cache'
import { SluiceError } from '../errors.ts'
import type { TaskOrProject } from '../resolve/find-scope.ts'
import { decodeKeyPath } from '../resolve/key-path.ts'
import { readFileuri } from './fileuri.ts'

/** The parts of a resolve link, or of a link to a file. */
export type Link = {
  subject: TaskOrProject
  /** The media token. */
  token: string | null
} & ({ uri: string } | { file: { storage: number; key: string } })

const resolveRoute = /^\/(tasks|projects)\/([^/]+)\/(?:resolve|presign)\/?$/
const fileRoute = /^\/projects\/([^/]+)\/files\/([^/]*)\/([^/]*)\/(.*)$/s

/** True if the path belongs to a resolve link, or to a link to a file. */
export function isLinkPath(path: string): boolean {
  return resolveRoute.test(path) || fileRoute.test(path)
}

// A media player requests the same link many times, once for each range.
const read = new LRUCache<string, Link>({ max: 1_000 })

/** Reads the path and query of a link. @throws SluiceError VALIDATION */
export function readLink(url: string): Link {
  const known = read.get(url)
  if (known) return known
  const [path] = url.split('?', 1) as [string]
  const link = readFileLink(path) ?? readResolveLink(path, new URLSearchParams(url.slice(path.length + 1)))
  read.set(url, link)
  return link
}

function readResolveLink(path: string, query: URLSearchParams): Link {
  const [, kind, text] = resolveRoute.exec(path) ?? []
  const id = readId(text)
  const subject = kind === 'tasks' ? { task: id } : { project: id }
  return { subject, uri: readFileuri(query.get('fileuri')), token: query.get('token') }
}

/**
 * `/projects/<id>/files/<token>/<storage id>/<key>`. The token stands before the key, so that relative names in the file lead to links
 * with the same token. `-` stands for no token. The query is ignored.
 */
function readFileLink(path: string): Link | undefined {
  const [, project, token, storage, keyPath] = fileRoute.exec(path) ?? []
  if (keyPath === undefined) return undefined
  const key = decodeKeyPath(keyPath)
  if (key === undefined) throw new SluiceError('VALIDATION', 'The path contains no valid key.')
  return {
    subject: { project: readId(project) },
    token: token === '-' ? null : token!,
    file: { storage: readId(storage), key },
  }
}

function readId(text: string | undefined): number {
  if (!/^[1-9]\d{0,14}$/.test(text ?? '')) throw new SluiceError('VALIDATION', 'The id must be a number.')
  return Number(text)
}
