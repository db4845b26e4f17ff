import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Viewer } from '../auth/tokens.ts'
import type { Connect } from '../connect.ts'
import { describeError, SluiceError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { contentTypeOf } from '../providers/content-type.ts'
import { parseUri } from '../providers/uri.ts'
import { deliver } from '../resolve/deliver.ts'
import { parseRange } from '../resolve/range.ts'

/** What the resolve door needs. */
export interface ResolveDoor {
  em: EntityManager
  connect: Connect
  authenticate: (authorization: string | undefined) => Promise<Viewer>
  maxRangeBytes: number
  /** 0 = no bound. */
  timeoutSeconds: number
  cacheSeconds: number
  logger: Logger
}

const route = /^\/(tasks|projects)\/([^/]+)\/(?:resolve|presign)\/?$/
const maxFileuri = 8_192
const activeContent = /html|svg|xml/i

/** True if the path is one of this door's. */
export function isResolvePath(path: string): boolean {
  return route.test(path)
}

/**
 * GET and HEAD `/tasks/<id>/resolve/?fileuri=<base64url of the URI>`, the same for `/projects/<id>/…`, and `/presign/` for
 * `/resolve/`: a 303 to a signed URL, or the bytes. A body that cannot be finished is cut by resetting the connection,
 * never by ending it as if it were complete.
 */
export async function handleResolve(door: ResolveDoor, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController()
  res.on('close', () => gone.abort(new Error('The client has left.')))
  try {
    await answer(door, req, res, gone.signal)
  } catch (error) {
    if (res.headersSent || gone.signal.aborted) {
      res.destroy()
      return
    }
    const fault = error instanceof SluiceError ? error : new SluiceError('INTERNAL')
    if (!(error instanceof SluiceError)) door.logger.error({ err: error }, 'unexpected fault in resolve')
    else if (fault.status >= 500) door.logger.warn({ fault: describeError(error) }, 'an object could not be resolved')
    res.writeHead(fault.status, {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      ...(fault.code === 'UNAUTHENTICATED' && { 'WWW-Authenticate': 'Bearer' }),
      ...(req.method !== 'GET' && req.method !== 'HEAD' && { Allow: 'GET, HEAD' }),
    })
    res.end(JSON.stringify({ code: fault.code, message: fault.message }))
  }
}

async function answer(door: ResolveDoor, req: IncomingMessage, res: ServerResponse, signal: AbortSignal) {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    throw new SluiceError('VALIDATION', 'Only GET and HEAD are answered here.')
  }
  const url = new URL(req.url!, 'http://localhost')
  const [, kind, idText] = route.exec(url.pathname)!
  const uri = readFileuri(url.searchParams.get('fileuri'))
  await door.authenticate(req.headers.authorization)
  if (!/^[1-9]\d{0,15}$/.test(idText!)) throw new SluiceError('VALIDATION', 'The id must be a number.')
  const where = kind === 'tasks' ? { task: Number(idText) } : { project: Number(idText) }
  const range = parseRange(req.headers.range, door.maxRangeBytes)
  const delivery = await deliver(door, { in: where, uri, range, signal })
  try {
    if (delivery.mode === 'REDIRECT') {
      res.writeHead(303, { Location: delivery.url.href, 'Cache-Control': 'no-store' }).end()
      return
    }
    const { object } = delivery
    const type = contentType(object.contentType, uri)
    const part = object.range
    res.writeHead(part ? 206 : 200, {
      'Content-Type': type,
      'Content-Length': object.length,
      'Accept-Ranges': 'bytes',
      'Cache-Control': `private, max-age=${door.cacheSeconds}, must-revalidate`,
      'X-Content-Type-Options': 'nosniff',
      ...(part && { 'Content-Range': `bytes ${part.start}-${part.end}/${object.size}` }),
      ...(object.lastModified && { 'Last-Modified': object.lastModified.toUTCString() }),
      ...(activeContent.test(type) && { 'Content-Security-Policy': 'sandbox' }),
    })
    if (req.method === 'HEAD') {
      object.body.destroy()
      res.end()
      return
    }
    const deadline = door.timeoutSeconds > 0 ? AbortSignal.timeout(door.timeoutSeconds * 1_000) : undefined
    await pipeline(object.body, res, deadline ? { signal: deadline } : {})
  } finally {
    delivery.close()
  }
}

/** The URI behind `fileuri`: base64url, or the URI itself in old links. */
function readFileuri(fileuri: string | null): string {
  if (!fileuri) throw new SluiceError('VALIDATION', 'The parameter fileuri is missing.')
  if (Buffer.byteLength(fileuri) > maxFileuri) throw new SluiceError('VALIDATION', 'The parameter fileuri is too long.')
  const decoded = /^[\w-]+=*$/.test(fileuri) ? Buffer.from(fileuri, 'base64url').toString('utf8') : fileuri
  if (!parseUri(decoded) || decoded.includes('\0')) {
    throw new SluiceError('VALIDATION', 'The parameter fileuri holds no storage URI.')
  }
  return decoded
}

function contentType(given: string | null, uri: string): string {
  const generic = !given || /^(application|binary)\/octet-stream/i.test(given)
  return (generic && contentTypeOf(uri)) || given || 'application/octet-stream'
}
