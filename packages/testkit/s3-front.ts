import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto'
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerDate } from './clock-front.ts'
import { createFaults, type FaultScope, type SetFault } from './faults.ts'
import { forward } from './forward.ts'
import { waitFor } from './wait-for.ts'

/** A request on its way through the front, before it is forwarded. */
export interface S3Request {
  /** Its name in the S3 API, such as `ListObjectsV2` or `GetObject`. */
  operation: string
  method: string
  /** As sent, byte for byte. */
  url: string
  bucket: string
  key: string
  /** Whether the bucket stands in the host name, not in the path. */
  inHost: boolean
  headers: IncomingMessage['headers']
}

/** Credentials that a front accepts; temporary ones need their token, and until `expiration` only. */
export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  expiration?: Date
}

/** What is done to requests. */
export type Fault = FaultScope<S3Request> &
  (
    | { status: number; code: string }
    | { answer: { status: number; headers?: Record<string, string>; body: string } }
    | { reset: true }
    | { cutAfterBytes: number }
    | { hold: true }
    | { delayMs: number }
  )

export interface Front {
  endpoint: string
  port: number
  /** Requests seen, refused ones included, by operation. */
  counts: Record<string, number>
  fail(fault: Fault): SetFault<S3Request>
  /** As `fail`, before the faults that are there already. */
  failFirst(fault: Fault): SetFault<S3Request>
  stop(): Promise<void>
}

/**
 * Starts an HTTP proxy before the S3 API at `target`. With `credentials` (a list may grow while it runs) it checks every signature
 * as S3 does, by `clock` (milliseconds since 1970), which its answers carry too; the hash of a body is taken as the client signed
 * it, and its Content-MD5 is compared. Requests to `<bucket>.<domain>` have their bucket there. A listing's page has at most
 * `maxKeys` keys, because S3 may return fewer than a client asks for. It calls `onRequest` for each request before it handles
 * the request. With `requesterPays` it refuses requests that name no payer, and with `objectLock` writes without a checksum. With `cors`
 * its buckets let pages of every origin read. Directory buckets (`--x-s3`) have sessions with the same `credentials`.
 */
export async function startFront(options: {
  target: string
  credentials?: Credentials | Credentials[]
  clock?: () => number
  domain?: string
  maxKeys?: number
  onRequest?: (request: S3Request) => void
  requesterPays?: boolean
  objectLock?: boolean
  cors?: boolean
}): Promise<Front> {
  const { target, credentials, clock = Date.now, domain, maxKeys, onRequest, requesterPays, objectLock, cors } = options
  const agent = new Agent({ keepAlive: true })
  const faults = createFaults<S3Request, Fault>()
  const counts: Record<string, number> = {}

  const server = createServer(async (incoming, response) => {
    if (options.clock) answerDate(response, clock)
    if (cors) response.setHeader('Access-Control-Allow-Origin', '*')
    const request = describe(incoming, domain)
    counts[request.operation] = (counts[request.operation] ?? 0) + 1
    onRequest?.(request)
    const refusal = credentials && refusalOf(request, { accepted: [credentials].flat(), now: clock() })
    if (refusal) return sendError(response, 403, ...refusal)
    if (requesterPays && !namesPayer(request)) return sendError(response, 403, 'AccessDenied', 'Access Denied')
    if (objectLock && request.operation === 'PutObject' && !hasChecksum(request)) {
      return sendError(response, 400, 'InvalidRequest', lockWords)
    }
    const md5 = request.headers['content-md5']
    const body = md5 === undefined ? undefined : await buffer(incoming).catch(() => 'LEFT' as const)
    if (body === 'LEFT') return
    if (body && hash('md5', body, 'base64') !== md5)
      return sendError(response, 400, 'BadDigest', 'The digest does not match.')
    if (isSessionRequest(request)) return sendSession(response, [credentials ?? []].flat()[0])
    // The SDK writes two slashes behind a directory bucket in a path.
    incoming.url = incoming.url!.replace(/^(\/[^/?]+--x-s3)\/\//, '$1/')
    // Not before the check of the signature, which covers the query.
    if (maxKeys !== undefined && request.operation === 'ListObjectsV2') incoming.url = withMaxKeys(request.url, maxKeys)
    const met = faults.meet(request, response)
    if (!met) return forward({ incoming, response, target, agent, body })
    const { fault } = met
    if ('status' in fault) sendError(response, fault.status, fault.code, 'injected')
    else if ('answer' in fault) response.writeHead(fault.answer.status, fault.answer.headers).end(fault.answer.body)
    else if ('reset' in fault) incoming.socket.resetAndDestroy()
    else if ('cutAfterBytes' in fault) {
      forward({ incoming, response, target, agent, body, cutAfterBytes: fault.cutAfterBytes })
    } else {
      await ('delayMs' in fault ? sleep(fault.delayMs) : met.released)
      forward({ incoming, response, target, agent, body })
    }
  })
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    counts,
    fail: faults.fail,
    failFirst: faults.failFirst,
    async stop() {
      agent.destroy()
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
}

function describe({ method = 'GET', url = '/', headers }: IncomingMessage, domain?: string): S3Request {
  const [path = '', query = ''] = url.split('?', 2)
  const host = headers.host?.replace(/:\d+$/, '') ?? ''
  const inHost = domain !== undefined && host.endsWith(`.${domain}`)
  const fromPath = /^\/([^/]*)\/?([\s\S]*)$/.exec(path) ?? []
  const [bucket = '', key = ''] = inHost ? [host.slice(0, -domain.length - 1), path.slice(1)] : fromPath.slice(1)
  const thing = key !== '' ? 'Object' : bucket !== '' ? 'Bucket' : 'Buckets'
  const isList = method === 'GET' && thing === 'Bucket'
  const verb =
    { GET: 'Get', PUT: thing === 'Bucket' ? 'Create' : 'Put', DELETE: 'Delete', HEAD: 'Head' }[method] ?? method
  const operation = isList ? (/(^|&)list-type=2(&|$)/.test(query) ? 'ListObjectsV2' : 'ListObjects') : verb + thing
  return { operation, method, url, bucket, key: decodeURIComponent(key), inHost, headers }
}

function withMaxKeys(url: string, most: number): string {
  return url.replace(/([?&]max-keys=)(\d+)/, (_all, name, asked) => name + Math.min(Number(asked), most))
}

/** Whether the request says in a signed part that its sender pays (Amazon S3, "Downloading objects from Requester Pays buckets"). */
function namesPayer({ url, headers }: S3Request): boolean {
  if (/[?&]X-Amz-Signature=/.test(url)) return /[?&]x-amz-request-payer=requester(&|$)/.test(url)
  const signed = /SignedHeaders=([^, ]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? []
  return headers['x-amz-request-payer'] === 'requester' && signed.includes('x-amz-request-payer')
}

const lockWords =
  'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters'

/** Whether a write can be verified: what S3 demands where Object Lock has a default retention (Amazon S3 API, PutObject). */
const hasChecksum = ({ headers }: S3Request) =>
  /^[A-Za-z0-9+/]{22}==$/.test(String(headers['content-md5'] ?? '')) ||
  Object.keys(headers).some((name) => /^x-amz-checksum-(?:crc|sha)/.test(name))

const isSessionRequest = ({ method, url, bucket }: S3Request) =>
  method === 'GET' && bucket.endsWith('--x-s3') && /[?&]session(?:=|&|$)/.test(url)

/** Answers CreateSession (Amazon S3 API). */
function sendSession(response: ServerResponse, credentials: Credentials | undefined): void {
  const { accessKeyId = 'any', secretAccessKey = 'any' } = credentials ?? {}
  const parts = { SessionToken: 'of-the-session', SecretAccessKey: secretAccessKey, AccessKeyId: accessKeyId }
  const expiration = new Date(Date.now() + 300_000).toISOString()
  const texts = Object.entries({ ...parts, Expiration: expiration }).map(([name, text]) => `<${name}>${text}</${name}>`)
  const body = `<CreateSessionResult><Credentials>${texts.join('')}</Credentials></CreateSessionResult>`
  response.writeHead(200, { 'content-type': 'application/xml' }).end(body)
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body)
}

interface Judge {
  accepted: Credentials[]
  now: number
  /** SHA-256 of the body in hex, for services whose requests do not carry it as S3's do. */
  bodyHash?: string
}

/**
 * Why S3 would refuse the request, as code and message; undefined if it would not (AWS General Reference, "Signature
 * Version 4 signing process", and Amazon S3, "Authenticating Requests": header and query form).
 */
export function refusalOf(
  request: Pick<S3Request, 'method' | 'url' | 'headers'>,
  { accepted, now, bodyHash }: Judge,
): [string, string] | undefined {
  const [path = '', rawQuery = ''] = request.url.split('?', 2)
  const query = rawQuery.split('&').filter(Boolean).map(splitPair)
  const asked = (name: string) => decodeURIComponent(query.find(([key]) => key === name)?.[1] ?? '')
  const inQuery = asked('X-Amz-Signature') !== ''
  const header = String(request.headers.authorization ?? '')
  const part = (name: string) =>
    inQuery ? asked(`X-Amz-${name}`) : (new RegExp(`${name}=([^, ]+)`).exec(header)?.[1] ?? '')
  const [keyId, day = '', region = '', service = ''] = part('Credential').split('/')
  const signedHeaders = part('SignedHeaders').split(';')
  const date = inQuery ? asked('X-Amz-Date') : String(request.headers['x-amz-date'] ?? '')
  const age = now - Date.parse(date.replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:'))

  if (!keyId || !date) return ['AccessDenied', 'Access Denied']
  const credentials = accepted.find(({ accessKeyId }) => accessKeyId === keyId)
  if (!credentials) return ['InvalidAccessKeyId', 'The access key id does not exist.']
  const { secretAccessKey, sessionToken = '', expiration } = credentials
  const token = inQuery ? asked('X-Amz-Security-Token') : String(request.headers['x-amz-security-token'] ?? '')
  if (token !== sessionToken) return ['InvalidToken', 'The token is not the one of these credentials.']
  if (expiration && now > expiration.getTime()) return ['ExpiredToken', 'The token has expired.']
  if (inQuery && age > Number(asked('X-Amz-Expires')) * 1000) return ['AccessDenied', 'Request has expired']
  if (!inQuery && Math.abs(age) > 15 * 60_000) return ['RequestTimeTooSkewed', 'The difference is too large.']
  if (!signedHeaders.includes('host')) return ['AccessDenied', 'The host must be signed.']

  const canonical = [
    request.method,
    path.split('/').map(recode).join('/'),
    query
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map(([name, value]) => `${recode(name)}=${recode(value)}`)
      .sort()
      .join('&'),
    ...signedHeaders.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    signedHeaders.join(';'),
    inQuery ? 'UNSIGNED-PAYLOAD' : (request.headers['x-amz-content-sha256'] ?? bodyHash),
  ].join('\n')
  const scope = [day, region, service, 'aws4_request']
  const toSign = ['AWS4-HMAC-SHA256', date, scope.join('/'), createHash('sha256').update(canonical).digest('hex')].join(
    '\n',
  )
  const key = scope.reduce<string | Buffer>((secret, text) => hmac(secret, text), `AWS4${secretAccessKey}`)
  const [expected, given] = [hmac(key, toSign), Buffer.from(part('Signature'), 'hex')]
  if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined
  return ['SignatureDoesNotMatch', 'The signature does not match the one that was calculated.']
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

/** In the one spelling that signatures count: everything but unreserved characters percent-encoded. */
const recode = (text: string) =>
  encodeURIComponent(decodeURIComponent(text)).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
