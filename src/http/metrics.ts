import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { TooManyWrongTokensError, WrongTokenError } from '../errors.ts'
import type { GuessLimit } from './guess-limit.ts'
import { guardHeaders } from './isolation.ts'

/** Measurements that the resolve route reports for each request. */
export interface ResolveMetrics {
  /** A response was sent: a redirect (PRESIGN), bytes of an object (PROXY) or neither (NONE), with this status. */
  answered(mode: 'PRESIGN' | 'PROXY' | 'NONE', status: number): void
  sent(bytes: number): void
  /** Time from the request for an object to the first response of the storage. */
  opened(seconds: number): void
  /** Number of times that a body was resumed after the storage had interrupted it. */
  continued(times: number): void
  /** A body was not sent completely. */
  aborted(by: 'client' | 'timeout' | 'storage'): void
}

/** The metrics of this process, in the text format of Prometheus. */
export interface Metrics {
  resolve: ResolveMetrics
  /** Answers GET `/metrics` if the request carries the metrics token. */
  answer(req: IncomingMessage, res: ServerResponse): Promise<void>
}

/**
 * Creates the metrics. Each scrape calls `streams` (open streams), `subscriptions` (open subscriptions) and `runs` (runs by
 * status).
 */
export function createMetrics(options: {
  token: string
  guessLimit: GuessLimit
  streams: () => number
  subscriptions: () => number
  runs: () => Promise<ReadonlyMap<string, number>>
}): Metrics {
  const { token, guessLimit, streams, subscriptions, runs } = options
  const register = new Registry()
  collectDefaultMetrics({ register })
  const registers = [register]
  const requests = new Counter({
    ...{ name: 'sluice_resolve_requests_total', help: 'Requests of resolve links.', registers },
    labelNames: ['mode', 'status'] as const,
  })
  const bytes = new Counter({
    ...{ name: 'sluice_resolve_bytes_total', help: 'Bytes of objects that were sent.', registers },
  })
  const upstream = new Histogram({
    ...{
      name: 'sluice_resolve_upstream_seconds',
      help: 'Time until a storage returns the metadata of an object.',
      registers,
    },
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  })
  const continued = new Counter({
    ...{
      name: 'sluice_resolve_continued_total',
      help: 'Times a storage broke off and was asked for the rest.',
      registers,
    },
  })
  const aborted = new Counter({
    ...{ name: 'sluice_resolve_aborted_total', help: 'Bodies that were not sent to their ends.', registers },
    labelNames: ['by'] as const,
  })
  new Gauge({
    ...{ name: 'sluice_resolve_streams', help: 'Streams that are open.', registers },
    collect() {
      this.set(streams())
    },
  })
  new Gauge({
    ...{
      name: 'sluice_event_feeds',
      help: 'Readers of live events: subscriptions, and a few of the process itself.',
      registers,
    },
    collect() {
      this.set(subscriptions())
    },
  })
  new Gauge({
    ...{ name: 'sluice_runs', help: 'Syncs and exports that wait or run, of all processes.', registers },
    labelNames: ['status'] as const,
    async collect() {
      const counts = await runs()
      for (const status of ['QUEUED', 'IN_PROGRESS']) this.set({ status }, counts.get(status) ?? 0)
    },
  })
  const wanted = digest(`Bearer ${token}`)
  return {
    resolve: {
      answered: (mode, status) => requests.inc({ mode, status }),
      sent: (count) => bytes.inc(count),
      opened: (seconds) => upstream.observe(seconds),
      continued: (times) => times > 0 && continued.inc(times),
      aborted: (by) => aborted.inc({ by }),
    },
    async answer(req, res) {
      const given = req.headers.authorization
      if (!timingSafeEqual(digest(given ?? ''), wanted)) {
        const guess = async () => {
          if (given !== undefined) throw new WrongTokenError('The metrics token is wrong.')
        }
        const fault = await guessLimit.run(req, guess).catch((error: unknown) => error)
        const headers =
          fault instanceof TooManyWrongTokensError
            ? { 'Retry-After': String(fault.retryAfterSeconds) }
            : { 'WWW-Authenticate': 'Bearer' }
        res.writeHead('Retry-After' in headers ? 429 : 401, { ...headers, 'Content-Length': 0, ...guardHeaders }).end()
        return
      }
      const text = await register.metrics()
      const headers = { 'Content-Type': register.contentType, 'Cache-Control': 'no-store', ...guardHeaders }
      res.writeHead(200, headers).end(text)
    },
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest()
