import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { makeCertificate } from '@sluice/testkit/certificate.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'

/** Where a response leads: by an HTTP status, or by the word of a Redis cluster (`MOVED`, `ASK`). */
export interface Redirect {
  by: string
  /** The host, as it stands in a URL. */
  to: string
}

/** A server that speaks whatever it is spoken to: HTTP, Redis, and both in TLS. */
export interface Sink {
  port: number
  /** If set, it is asked for the redirect of each response. */
  redirect: (() => Redirect) | undefined
  /** What was asked, as `METHOD host path`, or `REDIS`. */
  requests: string[]
  /** The address of this machine at which each connection came in. */
  reached: string[]
  stop(): Promise<void>
}

/**
 * Starts a sink. A request whose host or path holds `<status>.<target>.test`, where `target` is the hexadecimal form of a URL, is redirected
 * there; others are answered 404, unless `sink.redirect` is set. Each response ends its connection. Redis is told that the key has
 * moved to `moved`.
 */
export async function startSink({
  moved,
  host = '127.0.0.1',
  port = 0,
  answer: answerFirst,
}: {
  moved: string
  /** Is asked first, and says whether it answers the request. */
  answer?: (request: IncomingMessage, response: ServerResponse) => boolean
  host?: string
  port?: number
}): Promise<Sink> {
  const requests: string[] = []
  const reached: string[] = []
  const sockets = new Set<Socket>()
  const answer: RequestListener = (request, response) => {
    const { host = '' } = request.headers
    requests.push(`${request.method} ${host} ${request.url}`)
    const [, status, target] = /(\d{3})\.([\da-f.]+)\.test/.exec(`${host} ${request.url}`) ?? []
    request.resume()
    if (answerFirst?.(request, response)) return
    if (sink.redirect) {
      const { by, to } = sink.redirect()
      // A header holds bytes: those of UTF-8, if the host is not ASCII.
      const location = Buffer.from(`http://${to}/latest/meta-data`).toString('latin1')
      return void response.writeHead(Number(by), { location, connection: 'close' }).end()
    }
    if (!target) return void response.writeHead(404, { connection: 'close' }).end()
    const location = Buffer.from(target.replaceAll('.', ''), 'hex').toString('latin1')
    response.writeHead(Number(status), { location, connection: 'close' }).end()
  }
  const certificate = makeCertificate()
  const http = createHttpServer(answer)
  const https = createHttpsServer(certificate, answer)
  const redis = (socket: Socket) =>
    socket
      .on('error', () => {})
      .on('data', () => {
        requests.push('REDIS')
        const { by, to } = sink.redirect?.() ?? { by: 'MOVED', to: moved }
        socket.write(`-${by} 1 ${to}:6379\r\n`.repeat(4))
      })
  const tls = createTlsServer(certificate, (socket) => begin(socket, https))
  const begin = (socket: Socket, web: typeof http | typeof https) => {
    socket
      .on('error', () => {})
      .once('data', (chunk: Buffer) => {
        socket.pause()
        socket.unshift(chunk)
        if (chunk[0] === 0x16) tls.emit('connection', socket)
        else if (chunk[0] === '*'.charCodeAt(0)) redis(socket)
        else web.emit(web === https ? 'secureConnection' : 'connection', socket)
        process.nextTick(() => socket.resume())
      })
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    reached.push(String(socket.localAddress).replace(/^::ffff:/, ''))
    socket.on('close', () => sockets.delete(socket))
    begin(socket, http)
  })
  await waitFor(server.listen(port, host), 'listening')
  const sink: Sink = {
    port: (server.address() as AddressInfo).port,
    redirect: undefined,
    requests,
    reached,
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await waitFor(server, 'close')
    },
  }
  return sink
}
