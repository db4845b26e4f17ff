import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

const startQuery = `# Every operation needs an API token: put it into the headers below.
{
  viewer { name }
  projects { edges { node { id title } } }
}
`

const options = {
  title: 'Sluice',
  endpoint: '/graphql',
  defaultQuery: startQuery,
  headers: '{ "Authorization": "Bearer <token>" }',
  subscriptionsProtocol: 'GRAPHQL_SSE',
} as const

/** True if a browser opens the URL of the API as a page. */
export function wantsPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && Boolean(headers.accept?.includes('text/html'))
}

/** Sends the GraphiQL page. Its policy allows only its own script, and connections to this server only. */
export async function sendGraphiql(res: ServerResponse): Promise<void> {
  // The module takes 50 MiB of memory and few processes ever need it, so it is imported on demand.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const nonce = randomBytes(18).toString('base64')
  const page = renderGraphiQL(options).replace('<script>', `<script nonce="${nonce}">`)
  const headers = {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': policy(nonce),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
  }
  res.writeHead(200, headers).end(page)
}

/** The editor creates its workers from blobs, and sets styles as attributes and elements. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    'worker-src blob:',
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
