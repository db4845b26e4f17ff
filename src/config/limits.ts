import { z } from 'zod'
import { seconds, whole } from './fields.ts'

/** Settings that limit operations, subscriptions, WebSockets and requests. */
export const requestLimits = {
  OPERATION_MAX_COST: whole(1_000, 10_000_000)
    .default(50_000)
    .describe(
      'Maximum cost of a GraphQL operation: about the number of values in its response. The server refuses more with COST_LIMIT.',
    ),
  OPERATION_TIMEOUT: seconds(3600)
    .min(0.1, { error: 'must be at least 0.1' })
    .default(60)
    .describe(
      'Maximum duration of a GraphQL query or mutation, in seconds. The server stops longer ones with OPERATION_TIMEOUT.',
    ),
  OPERATIONS_PER_TOKEN: whole(1, 100_000)
    .default(200)
    .describe(
      'Maximum number of GraphQL operations of one token that one process executes at the same time. The server answers more with status 429.',
    ),
  STATEMENT_TIMEOUT: seconds(3600)
    .min(0.1, { error: 'must be at least 0.1' })
    .default(30)
    .describe('Maximum duration of one SQL statement of a GraphQL operation, in seconds. Jobs have no such limit.'),
  SUBSCRIPTIONS_PER_SOCKET: whole(1, 100_000)
    .default(200)
    .describe(
      'Maximum number of open subscriptions of one WebSocket. The server refuses more, and the WebSocket stays open.',
    ),
  SUBSCRIPTIONS_PER_TOKEN: whole(1, 1_000_000)
    .default(10_000)
    .describe(
      'Maximum number of open subscriptions of one token in one process, over all its connections. The server refuses more.',
    ),
  SUBSCRIPTIONS_PER_PROJECT: whole(1, 1_000_000)
    .default(10_000)
    .describe('Maximum number of open subscriptions to one project in one process. The server refuses more.'),
  SUBSCRIPTIONS_MAX: whole(1, 1_000_000)
    .default(20_000)
    .describe('Maximum number of open subscriptions in one process. The server refuses more.'),
  SOCKETS_PER_TOKEN: whole(1, 1_000_000)
    .default(10_000)
    .describe(
      'Maximum number of open WebSockets of one token in one process. The server closes further ones with code 4429.',
    ),
  SOCKETS_MAX: whole(1, 1_000_000)
    .default(20_000)
    .describe('Maximum number of open WebSockets in one process. The server refuses further ones with status 429.'),
  SOCKET_MESSAGES_PER_SECOND: whole(1, 1_000_000)
    .default(100)
    .describe(
      'Maximum number of messages per second from a client on one WebSocket, with bursts of ten times as many. Beyond the limit, the server closes the WebSocket with code 4429.',
    ),
  REQUESTS_PER_SECOND: whole(1, 1_000_000)
    .default(500)
    .describe(
      'Maximum number of GraphQL operations per second of one token, or of one address without a token, with bursts of ten times as many. The server refuses more with status 429. Resolve links do not count.',
    ),
}

/** Settings that limit proxied streams of resolve links. */
export const streamLimits = {
  RESOLVER_PROXY_TIMEOUT: seconds(86400)
    .default(10)
    .describe(
      'Seconds within which a client of a proxied stream must read RESOLVER_PROXY_BUFFER_SIZE bytes, or, as a media element of a browser, the whole stream. Then the server resets the connection. 0: no limit.',
    ),
  RESOLVER_PROXY_BUFFER_SIZE: whole(1024, 2 ** 24)
    .default(65536)
    .describe('Maximum number of bytes that the server buffers for a slow client of a proxied stream.'),
  RESOLVER_PROXY_MAX_STREAMS: whole(1, 100_000)
    .default(2000)
    .describe('Maximum number of open proxied streams in one process. The server answers more with status 503.'),
  RESOLVER_PROXY_MAX_STREAMS_PER_VIEWER: whole(1, 100_000)
    .default(1000)
    .describe(
      'Maximum number of open proxied streams of one token in one process. The server answers more with status 503.',
    ),
  RESOLVER_PROXY_MAX_STREAMS_PER_PROJECT: whole(1, 100_000)
    .default(1000)
    .describe(
      'Maximum number of open proxied streams from the storages of one project in one process. The server answers more with status 503.',
    ),
  RESOLVER_PROXY_MAX_RANGE_SIZE: whole(1024, 2 ** 40)
    .default(7340032)
    .describe(
      'Maximum number of bytes in one response to a range request, for the clients of RESOLVER_PROXY_RANGE_LIMIT_FOR. They receive a shorter 206 response, and request the rest themselves.',
    ),
  RESOLVER_PROXY_RANGE_LIMIT_FOR: z
    .enum(['MEDIA', 'ALL', 'NONE'], { error: 'must be MEDIA, ALL or NONE' })
    .default('MEDIA')
    .describe(
      'Clients to which RESOLVER_PROXY_MAX_RANGE_SIZE applies. MEDIA: audio, video and track elements of browsers (Sec-Fetch-Dest). ALL: every client, although many mistake a shorter 206 response for the end of the file. NONE: no client.',
    ),
  RESOLVER_PROXY_CACHE_TIMEOUT: whole(0, 31536000)
    .default(3600)
    .describe('Seconds for which a browser may cache proxied bytes.'),
}
