import type { IncomingMessage, ServerResponse } from 'node:http'

const exposed = 'Content-Range, Content-Length, ETag, Accept-Ranges'
const origin = 'Authorization, Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range'

/** Lets pages of the configured origins read the response (Fetch standard, "CORS protocol"). `*` stands for all origins. */
export function allowOrigin(origins: readonly string[], req: IncomingMessage, res: ServerResponse): void {
  if (origins.length === 0) return
  res.appendHeader('Vary', 'Origin')
  const { origin } = req.headers
  if (origin === undefined || !(origins.includes(origin) || origins.includes('*'))) return
  res.setHeader('Access-Control-Allow-Origin', origin)
  res.setHeader('Access-Control-Expose-Headers', exposed)
}

/** Answers OPTIONS with the allowed methods, and answers the preflight of the configured origins. */
export function answerOptions(res: ServerResponse): void {
  res.setHeader('Allow', 'GET, HEAD, OPTIONS')
  if (res.hasHeader('Access-Control-Allow-Origin')) {
    res.setHeader('Access-Control-Allow-Methods', 'GET, HEAD')
    res.setHeader('Access-Control-Allow-Headers', origin)
    res.setHeader('Access-Control-Max-Age', '600')
  }
  res.writeHead(204).end()
}
