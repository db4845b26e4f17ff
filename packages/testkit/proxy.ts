import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy before an HTTP server, for what networks do to connections. */
export interface HttpProxy {
  /** The address of the server through the proxy. */
  url: string
  /** Number of connections that clients have opened. */
  readonly opened: number
  /** Cuts all connections. With `stayDown`, refuses new ones until `restore` is called. */
  cut(options?: { stayDown: boolean }): void
  restore(): void
  /** Stops passing bytes over the present connections, without closing them. */
  freeze(): void
  stop(): Promise<void>
}

/** Starts a proxy before the server at `target`. */
export async function startProxy(target: string): Promise<HttpProxy> {
  const { hostname, port } = new URL(target)
  const pairs = new Set<[Socket, Socket]>()
  let opened = 0
  let isDown = false
  const server = createServer((client) => {
    opened++
    if (isDown) return client.destroy()
    const upstream = connect(Number(port), hostname)
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        pairs.delete(pair)
        for (const one of pair) one.destroy()
      })
    }
    client.pipe(upstream)
    upstream.pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut: HttpProxy['cut'] = ({ stayDown } = { stayDown: false }) => {
    isDown = stayDown
    for (const [client] of pairs) client.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get opened() {
      return opened
    },
    cut,
    restore: () => {
      isDown = false
    },
    freeze: () => {
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream)
        upstream.unpipe(client)
      }
    },
    async stop() {
      cut({ stayDown: true })
      server.close()
      await once(server, 'close')
    },
  }
}
