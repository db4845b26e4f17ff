import { createServer as createHttp, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { waitFor } from './wait-for.ts'

/** What a foreign server responds, chosen by the bucket, container or path that is asked for. */
export const foreignModes = [
  'refuse-400',
  'refuse-401',
  'refuse-403',
  'refuse-404',
  'refuse-409',
  'refuse-412',
  'refuse-500',
  'redirect',
  'mirror',
  'malformed',
  'shapeless',
  'list-only',
  'objects',
] as const

/** The one object that a foreign server has. Its key, etag and bytes hold no canary. */
export const foreignObject = { key: 'data/a.json', body: '{"n":1}' }

const xmlErrors = (canary: string, details: string) =>
  `<?xml version="1.0"?><Error><Code>${canary}Code</Code><Message>${canary} message</Message><Region>${canary}</Region>` +
  `<Endpoint>${canary}.example</Endpoint><BucketName>${canary}</BucketName><RequestId>${canary}~</RequestId>` +
  `<HostId>${canary}~</HostId><name>${canary}</name><stack>${canary}</stack><AuthenticationErrorDetail>${canary}</AuthenticationErrorDetail>` +
  `<Other>${canary}</Other><message>${canary}</message>${details}</Error>`

const jsonErrors = (canary: string) =>
  JSON.stringify({
    error: {
      ...{ code: canary, message: `${canary} lacks storage.${canary}.get`, status: canary },
      errors: [{ reason: canary, domain: canary, message: canary, location: canary, locationType: canary }],
    },
    error_description: canary,
    name: canary,
  })

/** An HTTP or HTTPS server that speaks S3, STS, GCS, Azure Blob and token services, and puts `canary` wherever it can. */
export async function startForeignHttp(canary: string, tls?: { cert: string; key: string }) {
  /** What clients said of themselves. */
  const agents = new Set<string>()
  const handle: RequestListener = (req, res) => {
    for (const [name, value] of Object.entries(req.headers)) {
      if (/agent|api-client|x-client/.test(name)) agents.add(`${name}: ${value}`)
    }
    const chunks: Buffer[] = []
    req
      .on('data', (chunk) => chunks.push(chunk))
      .on('end', () => {
        const body = Buffer.concat(chunks).toString()
        for (const pair of body.split('&')) if (/^x-client-/i.test(pair)) agents.add(pair)
        respond(req, res, body, canary)
      })
  }
  return { agents, ...(await listen(tls ? createHttps(tls, handle) : createHttp(handle))) }
}

/** A TCP server that answers each chunk of commands with what `reply` says of them. */
export async function startForeignRedis(reply: (command: string) => string) {
  return listen(
    createTcp((socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        const commands = chunk.toString('latin1').split(/(?=^\*\d+\r\n)/m)
        socket.write(
          commands
            .map((command) =>
              reply(
                command
                  .split('\r\n')
                  .filter((line) => !/^[*$]/.test(line))
                  .join(' '),
              ),
            )
            .join(''),
        )
      })
    }),
  )
}

async function listen(server: Server) {
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await waitFor(server, 'close')
    },
  }
}

const headerNames =
  `server via warning www-authenticate x-amz-bucket-region x-amz-error-code x-amz-error-message x-amz-id-2
  x-amz-expiration x-amz-meta-own x-amz-version-id x-amz-storage-class x-amz-server-side-encryption x-ms-error-code x-ms-version
  x-ms-client-request-id x-ms-meta-own x-goog-hash x-goog-storage-class x-guploader-uploadid x-goog-meta-own content-language
  content-disposition cache-control retry-after link location-hint set-cookie x-powered-by`.split(/\s+/)

function respond(req: IncomingMessage, res: ServerResponse, body: string, canary: string): unknown {
  const url = new URL(req.url!, 'http://x')
  const mode = foreignModes.find((one) => url.pathname.includes(one)) ?? 'refuse-400'
  const isGoogle = /^\/(storage|upload)\//.test(url.pathname)
  const isAzure = url.pathname.startsWith('/account')
  const isToken =
    /\/(token|sts)\//.test(url.pathname) || url.pathname.includes('/oauth2') || url.pathname.includes('/adfs')
  for (const name of headerNames) res.setHeader(name, `${canary}-${name}`)
  // With a character that no request id has.
  for (const name of ['x-amz-request-id', 'x-ms-request-id', 'x-amzn-requestid'])
    res.setHeader(name, `${canary}~${name}`)
  const send: Send = (status, type, text, more = {}) => {
    res.writeHead(status, `${canary} reason`, {
      'content-type': type,
      'content-length': String(Buffer.byteLength(text)),
      ...more,
    })
    res.end(req.method === 'HEAD' ? undefined : text)
  }
  const refuse = (status: number) =>
    isGoogle || isToken
      ? send(status, `application/json; x=${canary}`, jsonErrors(canary))
      : send(status, `application/xml; x=${canary}`, xmlErrors(canary, ''))
  const [, status] = /^refuse-(\d+)$/.exec(mode) ?? []
  if (status) return refuse(Number(status))
  if (mode === 'redirect') return send(307, 'text/plain', canary, { location: `/${canary}/refuse-403` })
  if (mode === 'mirror') {
    const mirrored = `${req.url} ${JSON.stringify(req.headers)} ${body}`
    const id = (req.headers.authorization ?? canary).replace(/[^A-Za-z0-9+/=._-]/g, '').slice(-64)
    for (const name of ['x-amz-request-id', 'x-ms-request-id', 'x-guploader-uploadid'])
      res.setHeader(name, id || canary)
    return send(403, 'text/plain', `${canary} ${mirrored}`)
  }
  const isObject = !isListing(url, isGoogle, isAzure)
  // What answers a GET of an object is its bytes.
  const isBytes = isObject && !isToken && (!isGoogle || url.searchParams.get('alt') === 'media')
  if (isBytes && (mode === 'malformed' || mode === 'shapeless')) return refuse(404)
  if (mode === 'malformed')
    return send(200, isGoogle ? 'application/json' : 'application/xml', `<${canary}>{"${canary}": nonsense`)
  if (isToken)
    return send(200, 'application/json', JSON.stringify({ [canary]: canary, access_token: null, expires_in: canary }))
  if (mode === 'shapeless') return shapeless(isGoogle, isAzure, canary, send)
  if (isObject && (req.method === 'PUT' || req.method === 'POST' || req.method === 'DELETE')) {
    return send(
      isAzure && req.method === 'PUT' ? 201 : isAzure ? 202 : req.method === 'DELETE' ? 204 : 200,
      'text/plain',
      req.method === 'DELETE' ? '' : canary,
    )
  }
  if (isObject && mode === 'objects') return sendObject(isGoogle && url.searchParams.get('alt') !== 'media', send)
  if (isObject) return refuse(403)
  send(200, isGoogle ? 'application/json' : 'application/xml', listing(isGoogle, isAzure, canary))
}

const isListing = ({ pathname, searchParams }: URL, isGoogle: boolean, isAzure: boolean) =>
  isGoogle ? /\/o$/.test(pathname) : isAzure ? searchParams.get('comp') === 'list' : searchParams.has('list-type')

type Send = (status: number, type: string, text: string, more?: Record<string, string>) => unknown

const modified = 'Sun, 01 Nov 2026 00:00:00 GMT'

function sendObject(isHead: boolean, send: Send): void {
  const { body } = foreignObject
  const head = {
    size: String(body.length),
    generation: '7',
    updated: '2026-11-01T00:00:00Z',
    contentType: 'application/json',
  }
  if (isHead) send(200, 'application/json', JSON.stringify(head))
  else send(200, 'application/json', body, { etag: '"7"', 'last-modified': modified, 'x-goog-generation': '7' })
}

function shapeless(isGoogle: boolean, isAzure: boolean, canary: string, send: Send): unknown {
  if (isGoogle)
    return send(
      200,
      'application/json',
      JSON.stringify({ items: { length: canary }, prefixes: canary, nextPageToken: { a: canary } }),
    )
  const root = isAzure ? 'EnumerationResults' : 'ListBucketResult'
  send(
    200,
    'application/xml',
    `<${root}><Name>${canary}</Name><IsTruncated>${canary}</IsTruncated><Contents><Key>x</Key><Size>${canary}</Size><LastModified>${canary}</LastModified></Contents><Blobs><Blob><Name>x</Name><Properties><Content-Length>${canary}</Content-Length><Last-Modified>${canary}</Last-Modified></Properties></Blob></Blobs><KeyCount>${canary}</KeyCount></${root}>`,
  )
}

/** A page with the object, and canaries around it; it says that another page follows, which is the same. */
function listing(isGoogle: boolean, isAzure: boolean, canary: string): string {
  const { key, body } = foreignObject
  if (isGoogle) {
    const item = {
      name: key,
      size: String(body.length),
      updated: '2026-11-01T00:00:00Z',
      generation: '7',
      owner: canary,
      [canary]: 1,
    }
    return JSON.stringify({ kind: canary, items: [item], prefixes: [canary], [canary]: canary })
  }
  if (isAzure) {
    return (
      `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="${canary}" ContainerName="${canary}"><Prefix>${canary}</Prefix>` +
      `<Blobs><Blob><Name>${key}</Name><Properties><Etag>0x7</Etag><Content-Length>${body.length}</Content-Length>` +
      `<Last-Modified>${modified}</Last-Modified><LeaseState>${canary}</LeaseState><BlobType>${canary}</BlobType></Properties>` +
      `<Metadata><own>${canary}</own></Metadata></Blob><BlobPrefix><Name>${canary}/</Name></BlobPrefix></Blobs>` +
      `<NextMarker>${canary}</NextMarker></EnumerationResults>`
    )
  }
  return (
    `<?xml version="1.0"?><ListBucketResult><Name>${canary}</Name><Prefix>${canary}</Prefix><IsTruncated>true</IsTruncated>` +
    `<NextContinuationToken>${canary}</NextContinuationToken><Contents><Key>${key}</Key><Size>${body.length}</Size><ETag>"7"</ETag>` +
    `<LastModified>2026-11-01T00:00:00Z</LastModified><StorageClass>${canary}</StorageClass><Owner><ID>${canary}</ID>` +
    `<DisplayName>${canary}</DisplayName></Owner></Contents></ListBucketResult>`
  )
}
