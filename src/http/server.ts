import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { sendGraphiql, wantsPage } from './graphiql.ts'
import type { createGraphql } from './graphql.ts'
import type { RoleOfHost } from './hosts.ts'
import { guardHeaders } from './isolation.ts'
import { isLinkPath } from './link.ts'
import { isForThisMachine, wrongHost } from './local-host.ts'
import type { Metrics } from './metrics.ts'
import { type RequestRate, refuseExcess } from './request-rate.ts'
import { handleResolve, type ResolveRouteDeps } from './resolve.ts'

/** Handlers and settings of the HTTP server. */
export interface HttpDeps {
  /** Handlers for clients. Undefined in a process that is only a worker. */
  api:
    | { yoga: ReturnType<typeof createGraphql>; graphiql: boolean; requestRate: RequestRate; resolve: ResolveRouteDeps }
    | undefined
  roleOf: RoleOfHost
  /** Undefined if metrics are not enabled. */
  metrics: Metrics | undefined
  /** Bytes that a response buffers before its source is paused. */
  bufferBytes: number
  /** Answer only requests that name this machine as their host (local mode). */
  isLocal: boolean
  /** Rejects while requests cannot be served. */
  ready: () => Promise<void>
}

/** All routes: /graphql, resolve links, /health (the process is alive), /ready (database and queue respond) and /metrics. */
export function createHttpServer({ api, roleOf, metrics, bufferBytes, isLocal, ready }: HttpDeps): Server {
  return createServer({ highWaterMark: bufferBytes, keepAliveTimeout, ...slowClients }, async (req, res) => {
    // Only /graphql reads bodies. An unread body would block the connection, so it is closed after the response.
    if (hasBody(req) && !req.url?.startsWith('/graphql')) res.shouldKeepAlive = false
    if (isLocal && !isForThisMachine(req)) return json(res, 421, wrongHost)
    const { url = '/' } = req
    const query = url.indexOf('?')
    const path = query < 0 ? url : url.slice(0, query)
    if (api && isLinkPath(path)) return handleResolve(api.resolve, req, res)
    if (roleOf(req) === 'LINKS') return json(res, 404, noSuchPage)
    if (api && path === '/graphql') {
      if (api.graphiql && wantsPage(req)) return sendGraphiql(res)
      res.setHeader('X-Content-Type-Options', 'nosniff')
      return refuseExcess(api.requestRate, req, res) || api.yoga(req, res)
    }
    if (path === '/health') return json(res, 200, { status: 'alive' })
    if (path === '/ready') {
      return ready().then(
        () => json(res, 200, { status: 'ready' }),
        () => json(res, 503, { status: 'not ready', message: 'The database or the job queue does not answer.' }),
      )
    }
    if (metrics && path === '/metrics') {
      return metrics.answer(req, res).catch(() => json(res, 503, { message: 'The metrics cannot be read now.' }))
    }
    if (api && path === '/') return void res.writeHead(302, { Location: '/graphql', ...guardHeaders }).end()
    return json(res, 404, noSuchPage)
  })
}

/** Node answers 408 and closes the connection if the headers or the whole request take longer (milliseconds). */
const slowClients = { headersTimeout: 15_000, requestTimeout: 120_000, connectionsCheckingInterval: 2_000 }

/**
 * Milliseconds until an idle connection is closed. Longer than proxies wait (nginx 60 s, Caddy 120 s): a client whose request
 * meets the close loses it, and cannot know whether it was executed.
 */
const keepAliveTimeout = 130_000

const hasBody = ({ headers }: IncomingMessage) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const noSuchPage = { code: 'NOT_FOUND', message: 'There is no such page.' }

function json(res: ServerResponse, status: number, body: object): void {
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...guardHeaders }
  res.writeHead(status, headers).end(JSON.stringify(body))
}
