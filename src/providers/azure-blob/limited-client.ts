import { AsyncLocalStorage } from 'node:async_hooks'
import type { Readable } from 'node:stream'
import {
  createDefaultHttpClient,
  type HttpClient,
  type PipelineRequest,
  type PipelineResponse,
} from '@azure/core-rest-pipeline'
import { textOfKey } from '../key-bytes.ts'
import { maxPageBytes, maxSmallBytes, readErrorBody, readLimited } from '../kit/limit-body.ts'
import { isXmlWithin, looksLikeHtml } from '../kit/parse-limits.ts'
import { safeRequestId } from '../kit/remote-detail.ts'
import type { ServerClock } from '../kit/server-clock.ts'
import { type Listing, readListing } from './read-listing.ts'

/** Receives the page of a listing that runs in this async context. */
const listings = new AsyncLocalStorage<{ limit: number; listing?: Listing }>()

/** Runs `list`, which sends one LIST request through `limitedClient`, and returns its page. */
export async function listingOf(limit: number, list: () => Promise<unknown>): Promise<Listing | undefined> {
  const holder: { limit: number; listing?: Listing } = { limit }
  await listings.run(holder, list)
  return holder.listing
}

// The SDK gets this instead of the listing, because its XML parser is slow.
const emptyListing =
  '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="" ContainerName="c"><Blobs /><NextMarker /></EnumerationResults>'
const parseLimits = { maxParts: 400, maxDepth: 12 }
const anyStatus = new Set([Number.POSITIVE_INFINITY])

/**
 * The SDKs' transport with limits on what it reads: 64 KiB of a refusal, of a token or of another short response, 4 MiB of a
 * listing page. The SDKs would read and parse bodies of any size. Blobs are streamed. `clock` receives the date of every
 * response.
 */
export function limitedClient(clock?: ServerClock): HttpClient {
  const client = createDefaultHttpClient()
  return {
    async sendRequest(request) {
      describeSelf(request)
      const { streamResponseStatusCodes: streamed } = request
      request.streamResponseStatusCodes = anyStatus
      const response = await client.sendRequest(request)
      if (streamed) request.streamResponseStatusCodes = streamed
      else delete request.streamResponseStatusCodes
      hideMirrored(response)
      clock?.update(response.headers.get('date'))
      const body = response.readableStreamBody as Readable | undefined
      if (!body) return response
      const succeeded = response.status >= 200 && response.status < 300
      if (succeeded && (streamed?.has(response.status) || streamed?.has(Number.POSITIVE_INFINITY))) return response
      delete response.readableStreamBody
      response.bodyAsText = succeeded ? await textOf(request, body) : await refusalOf(response, body)
      return response
    },
  }
}

async function textOf(request: PipelineRequest, body: Readable): Promise<string> {
  const holder = new URL(request.url).searchParams.get('comp') === 'list' ? listings.getStore() : undefined
  if (!holder) {
    const bytes = await readLimited(body, { maxBytes: maxSmallBytes })
    return looksLikeHtml(bytes) || !isXmlWithin(bytes, parseLimits) ? '' : bytes.toString()
  }
  holder.listing = readListing(textOfKey(await readLimited(body, { maxBytes: maxPageBytes })), holder.limit)
  return emptyListing
}

/** The XML or JSON of a refusal. Empty if it is long or in another format; the SDK then uses the status. */
async function refusalOf({ headers }: PipelineResponse, body: Readable): Promise<string> {
  const { bytes, isWhole } = await readErrorBody(body)
  if (looksLikeHtml(bytes)) headers.set('content-type', 'text/html')
  return isWhole && isXmlWithin(bytes, parseLimits) ? bytes.toString() : ''
}

/** Removes the versions of the SDK, of Node and of the kernel, which the SDKs send in headers and in sign-in parameters. */
function describeSelf(request: PipelineRequest): void {
  request.headers.set('user-agent', 'sluice')
  for (const [name] of request.headers) if (/^x-client-(?!request)/i.test(name)) request.headers.delete(name)
  const { body } = request
  if (typeof body !== 'string' || !/(?:^|&)x-client-/i.test(body)) return
  const forwarded = body.split('&').filter((pair) => !/^x-client-/i.test(pair))
  request.body = forwarded.join('&')
  if (request.headers.has('content-length'))
    request.headers.set('content-length', String(Buffer.byteLength(request.body)))
}

function hideMirrored({ request, headers }: PipelineResponse): void {
  const id = headers.get('x-ms-request-id')
  const sent = JSON.stringify([
    request.url,
    request.headers.toJSON(),
    typeof request.body === 'string' ? request.body : '',
  ])
  if (id !== undefined && safeRequestId(id, sent) === undefined) headers.delete('x-ms-request-id')
}
