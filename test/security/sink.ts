import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { makeCertificate } from '../support/certificate.ts'

/** A server that speaks whatever it is spoken to: HTTP, Redis, and both in TLS. */
export interface Sink {
  port: number
  /** What was asked, as `METHOD host path`, or `REDIS`. */
  requests: string[]
  /** The address of this machine at which each connection came in. */
  reached: string[]
  stop(): Promise<void>
}

/**
 * Starts a sink. A request whose host or path holds `<status>.<target>.test`, where `target` is the hexadecimal form of a URL, is redirected
 * there; others are answered 404. Each response ends its connection. Redis is told that the key has moved to `moved`.
 */
export async function startSink({
  moved,
  host = '127.0.0.1',
  port = 0,
}: {
  moved: string
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
    if (!target) return void response.writeHead(404, { connection: 'close' }).end()
    const location = Buffer.from(target.replaceAll('.', ''), 'hex').toString()
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
        socket.write(`-MOVED 1 ${moved}\r\n`.repeat(4))
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
  await once(server.listen(port, host), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    reached,
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
