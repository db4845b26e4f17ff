import type { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import { NodeHttpHandler, type NodeHttpHandlerOptions } from '@smithy/node-http-handler'
import { maxPageBytes, maxSmallBytes, readErrorBody, readLimited } from '../kit/limit-body.ts'
import { isXmlWithin, looksLikeHtml } from '../kit/parse-limits.ts'
import { safeRequestId } from '../kit/remote-detail.ts'
import type { ServerClock } from '../kit/server-clock.ts'
import { noPace, type Pace } from '../pace.ts'

/** Dependencies of a handler, besides its agents. */
export interface HandlerDeps {
  /** Receives the `Date` header of every response that is not from a cache. */
  clock?: ServerClock
  /** Request and byte limits of the storage. Absent for requests to another service. */
  pace?: Pace
}

type Handle = NodeHttpHandler['handle']
type Request = Parameters<Handle>[0]

// A refusal has about ten elements, a response of STS about twenty.
const smallLimits = { maxParts: 400, maxDepth: 12 }
const requestIds = ['x-amz-request-id', 'x-amz-id-2', 'x-amzn-requestid']

/**
 * The SDK's transport with limits on what it reads: 64 KiB of a refusal or of another short response, a few MiB of a listing
 * page. The SDK would read and parse bodies of any size. Objects are streamed. STS uses it, too; all its responses are short.
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
    // Waits before the time limits of the transport start.
    const turn = this.#pace.request(options?.abortSignal as AbortSignal | undefined, sentBytes(request))
    if (turn) await turn
    const result = await super.handle(request, options)
    const { response } = result
    hideMirrored(request, response.headers)
    // A response with an `Age` comes from a cache (RFC 9111 §5.1), and its date is in the past.
    if (response.headers.age === undefined) this.#clock?.update(response.headers.date)
    const body = response.body as Readable
    // Interim and redirect statuses do not count as success.
    const succeeded = response.statusCode >= 200 && response.statusCode < 300
    if (request.method === 'HEAD') body.resume()
    else if (!succeeded) response.body = await refusalOf(body, response.headers)
    else {
      const isListing = request.method === 'GET' && 'list-type' in request.query
      // CreateSession (directory buckets) is a GET that returns credentials.
      if (request.method === 'GET' && !isListing && !('session' in request.query)) return result
      const bytes = await readLimited(body, { maxBytes: isListing ? maxPageBytes : maxSmallBytes })
      const isFit = isListing || isXmlWithin(bytes, smallLimits)
      response.body = isFit ? bytes : Buffer.alloc(0)
    }
    return result
  }
}

/** Number of object bytes in a request. */
const sentBytes = ({ method, headers }: Request) =>
  method === 'PUT' ? Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0) : 0

/** The XML of a refusal. Empty if it is long or not XML; the SDK then uses the status. */
async function refusalOf(body: Readable, headers: Record<string, string>): Promise<Buffer> {
  const { bytes, isWhole } = await readErrorBody(body)
  if (looksLikeHtml(bytes)) headers['content-type'] = 'text/html'
  return isWhole && isXmlWithin(bytes, smallLimits) ? bytes : Buffer.alloc(0)
}

/** Deletes request IDs that may repeat parts of the request. */
function hideMirrored(request: Request, headers: Record<string, string>): void {
  for (const name of requestIds) {
    if (headers[name] !== undefined && safeRequestId(headers[name], textOf(request)) === undefined) delete headers[name]
  }
}

const textOf = ({ path, query, headers, body }: Request) =>
  JSON.stringify([path, query, headers, typeof body === 'string' ? body : ''])

const userAgent = 'sluice'

/** Removes the SDK's user agent, which names the versions of Node and of the kernel. The handler sets another one. */
export function removeUserAgent(stack: { remove(name: string): boolean }): void {
  stack.remove('getUserAgentMiddleware')
}

/**
 * Sets the user agent of a client: `sluice`, and the application ID if the operator has set one (AWS SDKs and Tools Reference
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
