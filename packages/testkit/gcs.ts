import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { createFaults, type SetFault } from './faults.ts'
import { type Account, createAuthority } from './gcs-auth.ts'
import { Bucket, nameFault } from './gcs-bucket.ts'
import type { GcsFault, GcsRequest } from './gcs-faults.ts'
import { createObjectApi } from './gcs-objects.ts'
import { waitFor } from './wait-for.ts'

/** A running emulator of Google Cloud Storage, its token service, metadata server and IAM signing. */
export interface GcsServer {
  /** Such as `http://127.0.0.1:4443`. */
  endpoint: string
  port: number
  /** Requests seen, refused ones included, by operation. */
  counts: Record<string, number>
  createBucket(name: string, options?: { isPublic?: boolean; requesterPays?: boolean }): void
  put(bucket: string, key: string, body: string | Uint8Array, options?: PutOptions): void
  remove(bucket: string, key: string): void
  /** A service account, with whatever else `may` and `known` say of it. */
  newAccount(options?: { may?: Account['may']; known?: boolean; sharesKey?: boolean }): Account
  /** The account that the metadata server speaks for; none to begin with. */
  machine: Account | undefined
  fail(fault: GcsFault): SetFault<GcsRequest>
  stop(): Promise<void>
}

interface PutOptions {
  contentType?: string
  contentEncoding?: string
  /** Composed of several objects: it has no MD5. */
  isComposite?: boolean
}

/** Starts it in this process on a free port. `clock` (milliseconds since 1970) is what tokens and signed URLs are checked by. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods of one server share its buckets
export async function startGcs({ clock = Date.now }: { clock?: () => number } = {}): Promise<GcsServer> {
  const buckets = new Map<string, Bucket>()
  const counts: Record<string, number> = {}
  const faults = createFaults<GcsRequest, GcsFault>()
  const authority = createAuthority(clock)
  const objects = createObjectApi(() => gcs.endpoint)
  const tokenUri = () => `${gcs.endpoint}/token`

  const serve = async (request: GcsRequest, incoming: IncomingMessage, response: ServerResponse) => {
    const { operation, query, bucket: name } = request
    if (operation === 'token') {
      const { status, body } = authority.exchange(new URLSearchParams((await buffer(incoming)).toString()), tokenUri())
      return sendJson(response, status, body)
    }
    if (operation === 'metadata') return serveMetadata(request, response)
    const account = operation === 'signed' ? authority.signer(request) : authority.bearer(request)
    if (Array.isArray(account)) return sendXmlError(response, ...account)
    const refuse = (status: number, reason: string, message: string) =>
      sendError(response, { status, reason, message, media: operation === 'media' })
    if (account === undefined) return refuse(401, 'authError', 'Invalid Credentials')
    if (operation === 'signBlob') {
      const email = decodeURIComponent(/([^/]+):signBlob/.exec(request.url)?.[1] ?? '')
      if (account === 'none' || !account.may(request)) {
        return refuse(403, 'forbidden', "Permission 'iam.serviceAccounts.signBlob' denied on resource.")
      }
      const { payload } = JSON.parse((await buffer(incoming)).toString())
      return sendJson(response, 200, { signedBlob: authority.signBlob(email, payload) })
    }
    const bucket = buckets.get(name)
    if (!bucket) return refuse(404, 'notFound', 'The specified bucket does not exist.')
    const permission = `storage.${operation === 'media' || operation === 'signed' ? 'objects.get' : operation}`
    const forAll = bucket.isPublic && /(get|list)$/.test(permission)
    const lack = `access to the Google Cloud Storage bucket. Permission '${permission}' denied on resource (or it may not exist).`
    if (account === 'none' && !forAll) {
      return refuse(401, 'required', `Anonymous caller does not have ${permission} ${lack}`)
    }
    if (account !== 'none' && !account.may(request) && !forAll) {
      return refuse(403, 'forbidden', `${account.email} does not have ${permission} ${lack}`)
    }
    if (bucket.requesterPays && !query.get('userProject')) {
      return refuse(400, 'required', 'Bucket is a requester pays bucket but no user project provided.')
    }
    return objects.serve({ request, incoming, response, bucket })
  }

  const serveMetadata = ({ url }: GcsRequest, response: ServerResponse) => {
    const { machine } = gcs
    const account = 'service-accounts/default'
    const answers: Record<string, unknown> | undefined = machine && {
      '': 'ok',
      instance: 'ok',
      'universe/universe-domain': 'googleapis.com',
      'project/project-id': 'project',
      [`instance/${account}/email`]: machine.email,
      [`instance/${account}/token`]: authority.issue(machine),
    }
    const answer = answers?.[url.split('?')[0]!.replace(/^\/computeMetadata\/v1\/?|\/$/g, '')]
    const type = typeof answer === 'object' ? 'application/json' : 'text/plain'
    response.writeHead(answer ? 200 : 404, { 'metadata-flavor': 'Google', 'content-type': type })
    response.end(typeof answer === 'object' ? JSON.stringify(answer) : answer)
  }

  const server = createServer(async (incoming, response) => {
    const request = describe(incoming)
    counts[request.operation] = (counts[request.operation] ?? 0) + 1
    const met = faults.meet(request, response)
    if (met) {
      const { fault } = met
      if ('hold' in fault) await met.released
      else if ('reset' in fault) return incoming.socket.resetAndDestroy()
      else if ('answer' in fault) {
        return response.writeHead(fault.answer.status, fault.answer.headers).end(fault.answer.body)
      } else if ('status' in fault) {
        const { status, reason = 'injected', message = 'injected' } = fault
        return sendError(response, { status, reason, message, media: request.operation === 'media' })
      } else cutAfter(response, fault.cutAfterBytes)
    }
    // A client that leaves is no fault of the server.
    await serve(request, incoming, response).catch((error) => {
      if (!incoming.errored) response.writeHead(500).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo

  const gcs: GcsServer = {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    counts,
    machine: undefined,
    createBucket: (name, options = {}) => void buckets.set(name, new Bucket(name, options)),
    put(name, key, body, { contentType = 'application/octet-stream', contentEncoding, isComposite = false } = {}) {
      const fault = nameFault(key)
      if (fault) throw new Error(fault)
      buckets.get(name)!.put({ name: key, body: Buffer.from(body), contentType, contentEncoding, isComposite })
    },
    remove: (name, key) => buckets.get(name)!.remove(key),
    newAccount: (options) => authority.newAccount(tokenUri(), options),
    fail: faults.fail,
    async stop() {
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
  return gcs
}

/** What is asked for. Names stand percent-encoded in paths and are decoded once, so that they stay opaque. */
function describe({ method = 'GET', url = '/', headers }: IncomingMessage): GcsRequest {
  const [path = '', rawQuery = ''] = url.split('?', 2)
  const query = new URLSearchParams(rawQuery)
  const about = (operation: string, bucket = '', key = '') => {
    return { operation, method, url, bucket: decodeURIComponent(bucket), key: decodeURIComponent(key), query, headers }
  }
  if (path === '/token') return about('token')
  if (path.startsWith('/computeMetadata/')) return about('metadata')
  if (path.endsWith(':signBlob')) return about('signBlob')
  const upload = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(path)
  if (upload) return about('objects.create', upload[1], encodeURIComponent(query.get('name') ?? ''))
  const one = /^(?:\/download)?\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/.exec(path)
  if (one) {
    const verb = method === 'DELETE' ? 'objects.delete' : query.get('alt') === 'media' ? 'media' : 'objects.get'
    return about(verb, one[1], one[2])
  }
  const all = /^\/storage\/v1\/b\/([^/]+)\/o\/?$/.exec(path)
  if (all) return about('objects.list', all[1])
  const signed = /^\/([^/]+)\/([\s\S]+)$/.exec(path)
  if (signed && query.has('X-Goog-Signature')) return about('signed', signed[1], signed[2])
  return about('unknown')
}

/** Ends the connection after the first bytes of the answer's body. */
function cutAfter(response: ServerResponse, bytes: number): void {
  const end = response.end.bind(response)
  response.end = ((body?: Buffer) => {
    if (!body || body.length <= bytes) return end(body)
    // Closed in order, since a reset would overtake the bytes before the cut.
    response.write(body.subarray(0, bytes), () => response.socket?.destroySoon())
    return response
  }) as typeof response.end
}

/** A fault as the JSON API tells it; of media as text, although it says text/html. */
export function sendError(
  response: ServerResponse,
  { status, reason, message, media }: { status: number; reason: string; message: string; media?: boolean },
): void {
  if (media) {
    response.writeHead(status, { 'content-type': 'text/html; charset=UTF-8' }).end(message)
    return
  }
  sendJson(response, status, {
    error: { code: status, message, errors: [{ message, domain: 'global', reason }] },
  })
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body))
}

export function sendXmlError(response: ServerResponse, status: number, code: string, message: string): void {
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml; charset=UTF-8' }).end(body)
}
