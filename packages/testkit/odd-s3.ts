import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { waitFor } from './wait-for.ts'

/** What a server does otherwise than S3. */
export interface Oddity {
  /** How it compares keys in listings, in place of their UTF-8 bytes. */
  compare?: (a: string, b: string) => number
  /** The key under which it stores an object. */
  normalize?: (key: string) => string
  /** Whether a page that ends with the marker of a folder is the last one, as SeaweedFS and MinIO have it with max-keys=1. */
  endsAtMarker?: boolean
  /** Whether it stores a body that does not match its Content-MD5. */
  ignoresMd5?: boolean
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const encode = (key: string) => encodeURIComponent(key).replaceAll('%2F', '/')
const etagOf = (body: Buffer) => `"${createHash('md5').update(body).digest('hex')}"`

/** Starts a small S3 server of one bucket in this process that checks no signature and has the given oddities. */
export async function startOddS3(oddity: Oddity = {}): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const { compare = byBytes, normalize = (key) => key, endsAtMarker, ignoresMd5 } = oddity
  const objects = new Map<string, { body: Buffer; type: string; time: Date }>()

  const list = (query: URLSearchParams, response: ServerResponse) => {
    const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? '']
    const limit = Number(query.get('max-keys') ?? 1000)
    const cutAt = (key: string) => (query.has('delimiter') ? key.indexOf('/', prefix.length) : -1)
    const entries = new Set<string>()
    for (const key of [...objects.keys()].sort(compare)) {
      const cut = cutAt(key)
      const entry = cut < 0 ? key : key.slice(0, cut + 1)
      if (key.startsWith(prefix) && (after === '' || compare(entry, after) > 0)) entries.add(entry)
    }
    const page = [...entries].slice(0, limit)
    const isMarker = page[0] !== undefined && cutAt(page[0]) < 0 && page[0].endsWith('/')
    const isCut = endsAtMarker === true && limit === 1 && isMarker
    const written = page.map((entry) => {
      const object = cutAt(entry) < 0 ? objects.get(entry) : undefined
      if (!object) return `<CommonPrefixes><Prefix>${encode(entry)}</Prefix></CommonPrefixes>`
      const about = `<Size>${object.body.length}</Size><ETag>${etagOf(object.body).replaceAll('"', '&quot;')}</ETag>`
      return `<Contents><Key>${encode(entry)}</Key>${about}<LastModified>${object.time.toISOString()}</LastModified></Contents>`
    })
    const isTruncated = entries.size > page.length && !isCut
    const head = `<Name>odd</Name><EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>`
    response.setHeader('content-type', 'application/xml')
    response.end(`<ListBucketResult>${head}${written.join('')}</ListBucketResult>`)
  }

  const refuse = (response: ServerResponse, status: number, code: string) =>
    response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`)

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = '', headers } = request
    const [path = '', query = ''] = url.split('?', 2)
    const key = normalize(decodeURIComponent(path.replace(/^\/[^/]*\/?/, '')))
    if (key === '' && method === 'GET') return list(new URLSearchParams(query), response)
    if (method === 'PUT') {
      const body = await buffer(request)
      const md5 = headers['content-md5']
      const isDamaged = md5 !== undefined && createHash('md5').update(body).digest('base64') !== md5
      if (isDamaged && !ignoresMd5) return refuse(response, 400, 'BadDigest')
      objects.set(key, { body, type: headers['content-type'] ?? '', time: new Date() })
      return response.writeHead(200, { etag: etagOf(body) }).end()
    }
    if (method === 'DELETE') {
      objects.delete(key)
      return response.writeHead(204).end()
    }
    const object = objects.get(key)
    if (!object) return refuse(response, 404, 'NoSuchKey')
    const { body, type, time } = object
    const about = { 'content-length': body.length, 'content-type': type, 'last-modified': time.toUTCString() }
    return response.writeHead(200, { ...about, etag: etagOf(body) }).end(method === 'HEAD' ? undefined : body)
  }

  const server = createServer((request, response) => {
    // A client that leaves is no fault of the server.
    serve(request, response).catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
}
