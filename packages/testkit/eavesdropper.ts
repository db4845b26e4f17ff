import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'

/** A server that records every byte it receives, and closes each connection after the first ones. */
export interface Eavesdropper {
  host: string
  port: number
  /** All bytes received so far, of all connections, as latin1. */
  readonly received: string
  /** Forgets the bytes received so far. */
  clear(): void
  stop(): Promise<void>
}

/** Starts one on a loopback address, on `port` or a free port. */
export async function startEavesdropper({ host = '127.0.0.1', port = 0 } = {}): Promise<Eavesdropper> {
  let received = ''
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    host,
    port: (server.address() as AddressInfo).port,
    get received() {
      return received
    },
    clear() {
      received = ''
    },
    async stop() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
