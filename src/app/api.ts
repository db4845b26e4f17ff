import type { AddressInfo } from 'node:net'
import type { Config } from '../config.ts'
import { createGuessLimit } from '../http/guess-limit.ts'
import { createRoleOfHost } from '../http/hosts.ts'
import { createMetrics } from '../http/metrics.ts'
import { createHttpServer } from '../http/server.ts'
import { createStreams } from '../resolve/streams.ts'
import { countActiveRuns } from '../runs/count-active.ts'
import type { ApiDeps } from './client-api.ts'

/** The running HTTP server. */
interface Api {
  url: string
  port: number
  /** Ends requests and sockets. */
  stop(): Promise<void>
}

/**
 * Starts the HTTP server: GraphQL and links in an api process, health and metrics in every process. Rejects with the error of
 * `listen`, such as EADDRINUSE.
 */
export async function startApi(
  config: Config,
  deps: ApiDeps,
  modes: { isLocal: boolean; graphiql: boolean; introspection: boolean },
): Promise<Api> {
  const { em, queue, events } = deps
  let url = config.PUBLIC_URL ?? ''
  const guessLimit = createGuessLimit(config.WRONG_TOKENS_PER_MINUTE)
  const roleOf = createRoleOfHost(config.LINKS_URL, config.PUBLIC_URL)
  const streams = createStreams({
    max: config.RESOLVER_PROXY_MAX_STREAMS,
    maxPerViewer: config.RESOLVER_PROXY_MAX_STREAMS_PER_VIEWER,
    maxPerProject: config.RESOLVER_PROXY_MAX_STREAMS_PER_PROJECT,
  })
  const metrics = config.METRICS_TOKEN
    ? createMetrics({
        token: config.METRICS_TOKEN,
        guessLimit,
        streams: () => streams.count,
        subscriptions: () => events.size,
        runs: () => countActiveRuns(em),
      })
    : undefined
  const api = config.SLUICE_ROLES.includes('api')
    ? (await import('./client-api.ts')).createClientApi(config, deps, {
        ...{ ...modes, guessLimit, roleOf, streams, metrics },
        url: () => url,
      })
    : undefined
  const server = createHttpServer({
    api: api?.handlers,
    roleOf,
    metrics,
    bufferBytes: config.RESOLVER_PROXY_BUFFER_SIZE,
    isLocal: modes.isLocal,
    ready: async () => {
      await em.getConnection().execute('select 1')
      await queue.ping()
    },
  })
  await new Promise<void>((resolve, reject) => {
    const { PORT: port, HOST: host, REUSE_PORT: reusePort } = config
    server.once('error', reject).listen({ port, host, reusePort }, resolve)
  })
  // Attached only after `listen`, because the WebSocket server would report a port in use in another way.
  const closeSockets = api?.attachTo(server)
  const { port } = server.address() as AddressInfo
  url ||= `http://localhost:${port}`
  return {
    url,
    port,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      await closeSockets?.()
      server.closeAllConnections()
      await closed
      await api?.stop()
    },
  }
}
