import type { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import { NodeHttpHandler, type NodeHttpHandlerOptions } from '@smithy/node-http-handler'
import { maxPageBytes, maxSmallBytes, readErrorBody, readLimited } from '../kit/limit-body.ts'
import { isModestXml, looksLikeHtml } from '../kit/modest.ts'
import { safeRequestId } from '../kit/remote-detail.ts'
import type { ServerClock } from '../kit/server-clock.ts'
import { noPace, type Pace } from '../pace.ts'

/** What a handler works with besides its agents. */
export interface HandlerDeps {
  /** Learns from every response. */
  clock?: ServerClock
  /** The limits of the storage; absent for requests to another service. */
  pace?: Pace
}

type Handle = NodeHttpHandler['handle']
type Request = Parameters<Handle>[0]

// A refusal has about ten elements, and an answer of STS twice as many.
const smallModesty = { maxParts: 400, maxDepth: 12 }
const requestIds = ['x-amz-request-id', 'x-amz-id-2', 'x-amzn-requestid']

/**
 * The SDK's transport with limits on what it reads: 64 KiB of a refusal or of another short response, a few MiB of a listing
 * page. The SDK would read and parse bodies of any size. Objects are streamed. Also for STS, which has short responses only.
 */
export class LimitedHandler extends NodeHttpHandler {
  readonly #clock: ServerClock | undefined
  readonly #pace: Pace

  constructor(options: NodeHttpHandlerOptions, { clock, pace = noPace }: HandlerDeps = {}) {
    super({ connectionTimeout: 10_000, requestTimeout: 60_000, throwOnRequestTimeout: true, ...options })
    this.#clock = clock
    this.#pace = pace
  }

  override async handle(request: Request, options?: Parameters<Handle>[1]): ReturnType<Handle> {
    request.headers['user-agent'] ??= userAgent
    // Before the time limits of the transport begin.
    const turn = this.#pace.request(options?.abortSignal as AbortSignal | undefined, sentBytes(request))
    if (turn) await turn
    const result = await super.handle(request, options)
    const { response } = result
    hideMirrored(request, response.headers)
    // A response with an age comes from a cache (RFC 9111 §5.1), with the time at which it was made.
    if (response.headers.age === undefined) this.#clock?.learn(response.headers.date)
    const body = response.body as Readable
    // An interim or redirecting status is none of success either.
    const succeeded = response.statusCode >= 200 && response.statusCode < 300
    if (request.method === 'HEAD') body.resume()
    else if (!succeeded) response.body = await refusalOf(body, response.headers)
    else {
      const isListing = request.method === 'GET' && 'list-type' in request.query
      // CreateSession, of directory buckets, is a GET of credentials.
      if (request.method === 'GET' && !isListing && !('session' in request.query)) return result
      const bytes = await readLimited(body, { maxBytes: isListing ? maxPageBytes : maxSmallBytes })
      const isFit = isListing || isModestXml(bytes, smallModesty)
      response.body = isFit ? bytes : Buffer.alloc(0)
    }
    return result
  }
}

/** Bytes of an object that a request sends. */
const sentBytes = ({ method, headers }: Request) =>
  method === 'PUT' ? Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0) : 0

/** The XML of a refusal; nothing in its place if it is long or no XML, so that the SDK goes by the status. */
async function refusalOf(body: Readable, headers: Record<string, string>): Promise<Buffer> {
  const { bytes, isWhole } = await readErrorBody(body)
  if (looksLikeHtml(bytes)) headers['content-type'] = 'text/html'
  return isWhole && isModestXml(bytes, smallModesty) ? bytes : Buffer.alloc(0)
}

/** Takes away request ids that may repeat what was sent. */
function hideMirrored(request: Request, headers: Record<string, string>): void {
  for (const name of requestIds) {
    if (headers[name] !== undefined && safeRequestId(headers[name], textOf(request)) === undefined) delete headers[name]
  }
}

const textOf = ({ path, query, headers, body }: Request) =>
  JSON.stringify([path, query, headers, typeof body === 'string' ? body : ''])

const userAgent = 'sluice'

/** Takes the SDK's user agent out of a client, since it names the versions of Node and of the kernel; the handler sets another. */
export function removeUserAgent(stack: { remove(name: string): boolean }): void {
  stack.remove('getUserAgentMiddleware')
}

/**
 * The user agent of a client's requests: `sluice`, and the application id that the operator may set (AWS SDKs and Tools Reference
 * Guide, "Application ID").
 */
export function setUserAgent({ middlewareStack, config }: S3Client): void {
  removeUserAgent(middlewareStack)
  middlewareStack.add(
    (next) => async (args) => {
      const id = await config.userAgentAppId()
      const { headers } = args.request as Request
      headers['user-agent'] = id ? `${userAgent} app/${id}` : userAgent
      return next(args)
    },
    { step: 'build', name: 'setUserAgent' },
  )
}
