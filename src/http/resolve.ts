import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { assertCanRead, assertCanReadFile } from '../access/access.ts'
import type { MediaTokens } from '../access/media-tokens.ts'
import type { Authenticator, Viewer } from '../access/tokens.ts'
import {
  describeError,
  diskFullMessage,
  isDiskFull,
  NotFoundError,
  SluiceError,
  TooManyWrongTokensError,
} from '../errors.ts'
import type { Logger } from '../logger.ts'
import { type DeliveryDeps, deliver } from '../resolve/deliver.ts'
import { namesOthers } from '../resolve/file-sets.ts'
import type { FindScope, ProjectScope } from '../resolve/find-scope.ts'
import { type PickedObject, pickFile } from '../resolve/pick.ts'
import type { Streams } from '../resolve/streams.ts'
import { pickObject } from '../resolve/url-mappings.ts'
import { allowOrigin, answerOptions } from './cors.ts'
import type { GuessLimit } from './guess-limit.ts'
import { type EmbeddableBy, guardHeaders } from './isolation.ts'
import { type Link, readLink } from './link.ts'
import { isMediaElement, isNoCorsMediaElement } from './media-element.ts'
import type { ResolveMetrics } from './metrics.ts'
import { type SendSettings, sendObject } from './send-object.ts'
import { limitTime } from './time-limit.ts'

/** Dependencies and settings of the resolve route. */
export interface ResolveRouteDeps extends SendSettings {
  authenticator: Authenticator
  mediaTokens: MediaTokens
  guessLimit: GuessLimit
  findScope: FindScope
  delivery: DeliveryDeps
  streams: Streams
  metrics: ResolveMetrics | undefined
  /** Time limit in seconds, see `limitTime`; 0 = no limit. */
  timeoutSeconds: number
  /** Bytes that a client must read within the time limit. */
  bufferBytes: number
  /** Origins whose pages may read responses. */
  corsOrigins: readonly string[]
  logger: Logger
}

/**
 * Handles GET and HEAD of `/tasks/<id>/resolve/?fileuri=<base64url of the URI>` and `/projects/<id>/resolve/…`, with the alias
 * `/presign/`, and of `/projects/<id>/files/<token>/<storage>/<key>`. The response is a 303 to a presigned URL, or the bytes. If a
 * body cannot be completed, the server resets the connection, so that the client cannot mistake the part for the whole.
 */
export async function handleResolve(deps: ResolveRouteDeps, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const ended = new AbortController()
  const exchange: Exchange = { req, res, signal: ended.signal, mode: 'NONE', embeddableBy: 'same-site' }
  const fail = (error: unknown) => {
    if (ended.signal.aborted) return
    ended.abort(error)
    exchange.brokenBy = error instanceof SluiceError && error.code === 'TIMEOUT' ? 'timeout' : 'storage'
    if (!res.headersSent) return refuse(deps, { ...exchange, error })
    resetBy.set(req.socket, exchange.brokenBy)
    req.socket.resetAndDestroy()
    // A response that is queued after another on its connection (pipelining) has no socket, and Node emits no 'close' for it.
    if (!res.socket) res.emit('close')
  }
  // Work that other requests may share, such as creating a signature, continues after the time limit.
  const limit = { seconds: deps.timeoutSeconds, bytes: deps.bufferBytes, isTotal: isMediaElement(req) }
  const stopLimit = limitTime({ req, res }, limit, () => fail(new SluiceError('TIMEOUT')))
  res.once('close', () => {
    stopLimit()
    if (res.headersSent) deps.metrics?.answered(exchange.mode, res.statusCode)
    if (res.writableFinished) return
    deps.metrics?.aborted(exchange.brokenBy ?? resetBy.get(req.socket) ?? 'client')
    ended.abort(new Error('The client has disconnected.'))
  })
  try {
    allowOrigin(deps.corsOrigins, req, res)
    if (req.method === 'OPTIONS') answerOptions(res)
    else await answer(deps, exchange)
  } catch (error) {
    fail(error)
  }
}

/**
 * Connections that this server has reset, and why. Other responses that are queued on such a connection end with it, and must
 * not be counted as aborted by the client.
 */
const resetBy = new WeakMap<Socket, 'timeout' | 'storage'>()

interface Exchange {
  req: IncomingMessage
  res: ServerResponse
  signal: AbortSignal
  /** Kind of the response. */
  mode: 'PRESIGN' | 'PROXY' | 'NONE'
  embeddableBy: EmbeddableBy
  /** Why the server aborted the response. Undefined if the client disconnected. */
  brokenBy?: 'timeout' | 'storage'
}

const redirectHeaders = (embeddableBy: EmbeddableBy) =>
  ['Cache-Control', 'no-store', 'Content-Length', '0', 'Cross-Origin-Resource-Policy', embeddableBy] as const
const redirects = { crossOrigin: redirectHeaders('cross-origin'), sameSite: redirectHeaders('same-site') }

async function answer(deps: ResolveRouteDeps, exchange: Exchange): Promise<void> {
  const { req, res, signal } = exchange
  if (req.method !== 'GET' && req.method !== 'HEAD') throw new SluiceError('METHOD_NOT_ALLOWED')
  const link = readLink(req.url!)
  const { subject } = link
  const scopeLookup = deps.findScope(subject)
  // The lookup runs in parallel. Its result and its error are used only after the viewer is authenticated.
  scopeLookup.catch(() => {})
  const { authorization } = req.headers
  const viewer = await deps.guessLimit.run(req, () => authenticate(deps, { authorization, link, scopeLookup }))
  // Depends on the credential that authorized the request, because anybody can add a token to a URL.
  if (viewer.onlyProject !== undefined) exchange.embeddableBy = 'cross-origin'
  const scope = await scopeLookup
  if (!scope) throw new NotFoundError('task' in subject ? 'There is no such task.' : 'There is no such project.')
  const picked = pick(viewer, scope, link)
  // A URL that is presigned for GET refuses HEAD.
  const mode = req.method === 'HEAD' || ('file' in link && mustStream(req, link.file.key)) ? 'PROXY' : undefined
  const delivery = await deliver(deps.delivery, picked, { mode, isPlayer: isMediaElement(req) })
  if (signal.aborted) throw signal.reason
  exchange.mode = delivery.mode
  if (delivery.mode === 'PRESIGN') {
    const embeddable = exchange.embeddableBy === 'cross-origin' ? redirects.crossOrigin : redirects.sameSite
    res.writeHead(303, ['Location', delivery.url, ...embeddable]).end()
    return
  }
  const close = req.method === 'GET' ? deps.streams.take({ viewer: viewer.id, project: scope.project }) : () => {}
  try {
    const source = await delivery.open()
    try {
      const { embeddableBy } = exchange
      await sendObject({
        ...{ req, res, source, settings: deps, access: viewer.id, embeddableBy, signal },
        metrics: deps.metrics,
      })
    } finally {
      source.close()
    }
  } finally {
    close()
  }
}

/** Whether a file must not be redirected to the bucket: relative names in it would lead there, or its player refuses redirects. */
const mustStream = (req: IncomingMessage, key: string) => namesOthers(key) || isNoCorsMediaElement(req)

/** The object of a link. Null if no storage serves it. @throws NotFoundError if the viewer may not read it */
function pick(viewer: Viewer, scope: ProjectScope, link: Link): PickedObject | null {
  const { project } = scope
  if ('uri' in link) {
    assertCanRead(viewer, project)
    return pickObject(link.uri, scope)
  }
  assertCanReadFile(viewer, { project, ...link.file })
  return pickFile(link.file, scope.storages)
}

interface Credentials {
  authorization: string | undefined
  link: Link
  /** The requested task or project. Usually it has the key that verifies the token. */
  scopeLookup: Promise<ProjectScope | undefined>
}

/** The Authorization header takes precedence over a token in the URL. */
async function authenticate(
  deps: ResolveRouteDeps,
  { authorization, link, scopeLookup }: Credentials,
): Promise<Viewer> {
  const { token } = link
  if (authorization !== undefined || token === null) return deps.authenticator.authenticate(authorization)
  const keyOf = async (project: number) => {
    const linked = await scopeLookup
    return linked?.project === project ? linked.mediaKey : (await deps.findScope({ project }))?.mediaKey
  }
  return deps.mediaTokens.authenticate(token, keyOf, 'file' in link ? 'FOLDER' : 'PROJECT')
}

/** Errors with `hasNoBytes` become 404: the storage has no bytes under this name. A 422 becomes 502. */
function statusOf({ hasNoBytes, status }: SluiceError): number {
  if (hasNoBytes) return 404
  return status === 422 ? 502 : status
}

function refuse(deps: ResolveRouteDeps, { req, res, error, embeddableBy }: Exchange & { error: unknown }) {
  const message = isDiskFull(error) ? diskFullMessage : undefined
  const fault = error instanceof SluiceError ? error : new SluiceError('INTERNAL', message)
  const status = statusOf(fault)
  if (!(error instanceof SluiceError)) deps.logger.error({ err: error }, 'unexpected fault in resolve')
  else if (status >= 500) deps.logger.warn({ fault: describeError(error) }, 'an object could not be resolved')
  const body = JSON.stringify({ code: fault.code, message: fault.message })
  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...guardHeaders,
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': embeddableBy,
    ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    ...(status === 405 && { Allow: 'GET, HEAD, OPTIONS' }),
    ...(fault instanceof TooManyWrongTokensError && { 'Retry-After': String(fault.retryAfterSeconds) }),
    ...(status === 503 && { 'Retry-After': '1' }),
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}
