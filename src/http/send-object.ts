import type { IncomingMessage, ServerResponse } from 'node:http'
import { SluiceError } from '../errors.ts'
import { readRest } from '../providers/read-rest.ts'
import { type ObjectSource, openObject } from '../resolve/open-object.ts'
import { parseRanges } from '../resolve/range.ts'
import type { EmbeddableBy } from './isolation.ts'
import { maxRangeBytesFor, type RangeLimitFor } from './media-element.ts'
import type { ResolveMetrics } from './metrics.ts'
import { objectHeaders } from './object-headers.ts'
import { sendBody } from './send-body.ts'

/** Settings for sending objects. */
export interface SendSettings {
  /** Maximum bytes of one range response, for the clients that `rangeLimitFor` selects. */
  maxRangeBytes: number
  rangeLimitFor: RangeLimitFor
  /** Seconds for which a browser may cache an object. */
  cacheSeconds: number
}

/**
 * Answers GET or HEAD with the object, a range, or 304. An interrupted body is resumed as long as the object is unchanged.
 * Rejects with the errors of providers, before the first byte or when the body cannot be completed, and with
 * PRECONDITION_FAILED or RANGE_UNSATISFIABLE.
 */
export async function sendObject(exchange: {
  req: IncomingMessage
  res: ServerResponse
  source: ObjectSource
  settings: SendSettings
  access: string
  embeddableBy: EmbeddableBy
  signal: AbortSignal
  metrics: ResolveMetrics | undefined
}): Promise<void> {
  const { req, res, source, settings, access, embeddableBy, signal, metrics } = exchange
  const { headers } = req
  const started = performance.now()
  const answer = await openObject(source, {
    method: req.method as 'GET' | 'HEAD',
    ranges: parseRanges(headers.range),
    conditions: {
      ifMatch: headers['if-match'],
      ifNoneMatch: headers['if-none-match'],
      ifModifiedSince: headers['if-modified-since'],
      ifUnmodifiedSince: headers['if-unmodified-since'],
      ifRange: headers['if-range'] as string | undefined,
    },
    maxPartBytes: maxRangeBytesFor(req, settings),
    access,
    signal,
  })
  metrics?.opened((performance.now() - started) / 1_000)
  signal.throwIfAborted()
  const { object, etag } = answer
  // The response depends on the viewer. A media token is part of the URL, so only the Authorization header must be listed.
  const vary = res.hasHeader('Vary') ? `${res.getHeader('Vary')}, Authorization` : 'Authorization'
  const about = objectHeaders(object, {
    etag,
    key: source.key,
    cacheSeconds: settings.cacheSeconds,
    vary,
    embeddableBy,
  })
  if (answer.status === 304) {
    const [, , ...withoutType] = about
    res.writeHead(304, withoutType).end()
    return
  }
  if (answer.status === 412 || answer.status === 416) res.setHeader('Vary', vary)
  if (answer.status === 412) throw new SluiceError('PRECONDITION_FAILED')
  if (answer.status === 416) {
    res.setHeader('Content-Range', `bytes */${object.size}`)
    throw new SluiceError('RANGE_UNSATISFIABLE')
  }
  const { opened } = answer
  if (!opened) {
    res.writeHead(200, [...about, 'Content-Length', object.size]).end()
    return
  }
  const { body, length, size, range } = opened
  try {
    const headers = [...about, 'Content-Length', length]
    if (range) headers.push('Content-Range', `bytes ${range.start}-${range.end}/${size}`)
    res.writeHead(answer.status, headers)
    const reopenAt = (sent: number) => readRest(source.provider, source.key, { opened, sent, signal })
    const times = await sendBody(res, { body, length, reopen: reopenAt, count: metrics?.sent })
    metrics?.continued(times)
  } finally {
    body.destroy()
  }
}
