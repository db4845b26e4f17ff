import { hash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { CRC32C } from '@google-cloud/storage'
import { sendError, sendJson, sendXmlError } from './gcs.ts'
import { type Bucket, nameFault, type StoredObject } from './gcs-bucket.ts'
import type { GcsRequest } from './gcs-faults.ts'

interface Exchange {
  request: GcsRequest
  incoming: IncomingMessage
  response: ServerResponse
  bucket: Bucket
}

/** Objects as the JSON API serves them: list, get, media, insert (media, multipart, resumable), delete; and signed GETs. */
export function createObjectApi(endpoint: () => string) {
  const uploads = new Map<string, { name: string; contentType: string; parts: Buffer[] }>()

  const insert = async ({ request, incoming, response, bucket }: Exchange) => {
    const { query, headers, method } = request
    const body = await buffer(incoming)
    const stored = (name: string, content: Buffer, contentType: string) => {
      const fault = nameFault(name)
      if (fault) return sendError(response, { status: 400, reason: 'invalid', message: fault })
      const wanted = query.get('ifGenerationMatch')
      const object = bucket.get(name)
      if (wanted !== null && wanted !== String(object?.generation ?? 0)) return sendError(response, conditionNotMet)
      sendResource(
        bucket.put({ name, body: content, contentType, contentEncoding: undefined }),
        query,
        response,
        bucket,
      )
    }
    const session = uploads.get(query.get('upload_id') ?? '')
    if (method === 'PUT' && session) {
      session.parts.push(body)
      const [, total] = /\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? []
      const whole = Buffer.concat(session.parts)
      if (total === undefined || Number(total) === whole.length) return stored(session.name, whole, session.contentType)
      const range = whole.length > 0 ? { range: `bytes=0-${whole.length - 1}` } : {}
      response.writeHead(308, range).end()
      return
    }
    switch (query.get('uploadType')) {
      case 'media':
        return stored(request.key, body, headers['content-type'] ?? 'application/octet-stream')
      case 'multipart': {
        const [resource, content] = partsOf(body, headers['content-type'] ?? '')
        const { name = request.key, contentType = content!.type } = JSON.parse(resource!.body.toString())
        return stored(name, content!.body, contentType)
      }
      case 'resumable': {
        const id = randomUUID()
        const { name = request.key, contentType } = JSON.parse(body.toString() || '{}')
        const type = contentType ?? headers['x-upload-content-type'] ?? 'application/octet-stream'
        uploads.set(id, { name, contentType: String(type), parts: [] })
        const location = `${endpoint()}/upload/storage/v1/b/${bucket.name}/o?uploadType=resumable&upload_id=${id}`
        response.writeHead(200, { location }).end()
        return
      }
      default:
        return sendError(response, { status: 400, reason: 'badRequest', message: 'Unknown upload type' })
    }
  }

  return {
    async serve(exchange: Exchange): Promise<void> {
      const { request, response, bucket } = exchange
      const { operation, query, key } = request
      if (operation === 'objects.create') return insert(exchange)
      if (operation === 'objects.list') return list(request, response, bucket)
      const object = bucket.get(key)
      if (!object) {
        if (operation === 'signed') return sendXmlError(response, 404, 'NoSuchKey', 'The specified key does not exist.')
        const message = `No such object: ${bucket.name}/${key}`
        return sendError(response, { status: 404, reason: 'notFound', message, media: operation === 'media' })
      }
      const wanted = query.get('ifGenerationMatch')
      if (wanted !== null && wanted !== String(object.generation)) {
        return sendError(response, { ...conditionNotMet, media: operation === 'media' })
      }
      if (operation === 'objects.get') return sendResource(object, query, response, bucket)
      if (operation !== 'objects.delete') return sendMedia(object, request, response)
      bucket.remove(key)
      response.writeHead(204).end()
    },
  }
}

const conditionNotMet = {
  status: 412,
  reason: 'conditionNotMet',
  message: 'At least one of the pre-conditions you specified did not hold.',
}

function list({ query }: GcsRequest, response: ServerResponse, bucket: Bucket): void {
  const text = (name: string) => query.get(name) ?? ''
  const { items, prefixes, nextPageToken } = bucket.list({
    prefix: text('prefix'),
    delimiter: text('delimiter'),
    startOffset: text('startOffset'),
    endOffset: text('endOffset'),
    pageToken: text('pageToken'),
    maxResults: Math.min(Number(text('maxResults') || 1000), 1000),
  })
  const resources = items.map((object) => resourceOf(object, bucket))
  const answer = {
    kind: 'storage#objects',
    nextPageToken,
    ...(prefixes.length > 0 && { prefixes }),
    ...(items.length > 0 && { items: resources }),
  }
  sendJson(response, 200, pick(answer, text('fields')))
}

function sendResource(object: StoredObject, query: URLSearchParams, response: ServerResponse, bucket: Bucket): void {
  sendJson(response, 200, pick(resourceOf(object, bucket), query.get('fields') ?? ''))
}

const resourceOf = (object: StoredObject, bucket: Bucket) => ({
  kind: 'storage#object',
  id: `${bucket.name}/${object.name}/${object.generation}`,
  name: object.name,
  bucket: bucket.name,
  generation: String(object.generation),
  metageneration: '1',
  contentType: object.contentType,
  contentEncoding: object.contentEncoding,
  size: String(object.body.length),
  md5Hash: md5(object),
  crc32c: crc32c(object),
  etag: googleEtag(object),
  timeCreated: object.updated.toISOString(),
  updated: object.updated.toISOString(),
})

const md5 = ({ body }: StoredObject) => hash('md5', body, 'base64')

function crc32c({ body }: StoredObject): string {
  const crc = new CRC32C()
  crc.update(body)
  return crc.toString()
}

const googleEtag = ({ generation }: StoredObject) => Buffer.from(`etag of ${generation}`).toString('base64')

/** The part of an answer that `fields` asks for, such as `items(name,size),nextPageToken` ("Partial response"). */
function pick(answer: Record<string, unknown>, fields: string): Record<string, unknown> {
  if (fields === '') return answer
  const wanted = [...fields.matchAll(/([a-zA-Z\d]+)(?:\(([^)]*)\))?/g)].filter(([, name]) => name! in answer)
  return Object.fromEntries(
    wanted.map(([, name, inner]) => {
      const value = answer[name!]
      return [name, inner && Array.isArray(value) ? value.map((one) => pick(one, inner)) : value]
    }),
  )
}

function sendMedia(object: StoredObject, { headers, query, operation }: GcsRequest, response: ServerResponse): void {
  const { body, generation, updated, contentEncoding, isComposite } = object
  const about: Record<string, string> = {
    'content-type': query.get('response-content-type') ?? object.contentType,
    etag: operation === 'signed' ? `"${googleEtag(object)}"` : googleEtag(object),
    'last-modified': updated.toUTCString(),
    'x-goog-generation': String(generation),
    'x-goog-hash': isComposite ? `crc32c=${crc32c(object)}` : `crc32c=${crc32c(object)},md5=${md5(object)}`,
    'x-goog-stored-content-length': String(body.length),
    'x-goog-stored-content-encoding': contentEncoding ?? 'identity',
  }
  if (contentEncoding === 'gzip' && !/\bgzip\b/.test(headers['accept-encoding'] ?? '')) {
    // "Decompressive transcoding": of unknown length, and ranges are not heeded.
    response.writeHead(200, { ...about, warning: '214 UploadServer gunzipped' }).end(gunzipSync(body))
    return
  }
  if (contentEncoding) about['content-encoding'] = contentEncoding
  const range = rangeOf(headers.range, body.length)
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${body.length}`, 'content-type': 'text/html; charset=UTF-8' })
    response.end('Request range not satisfiable')
    return
  }
  const part = range ? body.subarray(range.start, range.end + 1) : body
  const where = range && { 'content-range': `bytes ${range.start}-${range.end}/${body.length}` }
  response.writeHead(range ? 206 : 200, { ...about, ...where, 'content-length': part.length }).end(part)
}

/** What part a Range header asks for (RFC 9110 §14.1.2); undefined for all of it. */
function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start >= size || (first === '' && Number(last) === 0) ? 'unsatisfiable' : { start, end }
}

/** The parts of a multipart/related body. */
function partsOf(body: Buffer, contentType: string): { type: string; body: Buffer }[] {
  const boundary = `--${/boundary="?([^";]+)/.exec(contentType)?.[1]}`
  const parts: { type: string; body: Buffer }[] = []
  let at = body.indexOf(boundary)
  for (;;) {
    const next = body.indexOf(`\r\n${boundary}`, at)
    if (next < 0) return parts
    const head = body.indexOf('\r\n\r\n', at)
    const type = /content-type: *([^\r\n]+)/i.exec(body.subarray(at, head).toString())?.[1] ?? ''
    parts.push({ type, body: body.subarray(head + 4, next) })
    at = next + 2
  }
}
