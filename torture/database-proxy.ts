import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Moments } from './moments.ts'

/** A TCP way to PostgreSQL that can be cut. */
export interface DatabaseProxy {
  port: number
  /** Cuts all connections now, and new ones for this long. */
  cut(forMs: number): void
  stop(): Promise<void>
}

// Writes of pages are larger, whatever else the product sends is smaller.
const pageWriteBytes = 4_096

/** Passes connections on to the unix socket at `path`, and tells `moments` when a page is written and answered. */
export async function startDatabaseProxy(path: string, moments: Moments): Promise<DatabaseProxy> {
  const pairs = new Set<{ client: Socket; server: Socket }>()
  let refusedUntil = 0
  const drop = () => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
    pairs.clear()
  }
  const proxy = createServer((client) => {
    client.on('error', () => {})
    if (performance.now() < refusedUntil) return client.resetAndDestroy()
    const server = connect(path)
    const pair = { client, server }
    pairs.add(pair)
    let isWriting = false
    client.on('data', (chunk) => {
      if (!isWriting && chunk.length >= pageWriteBytes) {
        isWriting = true
        moments.happens('write')
        // A cut at this moment leaves the server with a half of the statement.
        if (server.destroyed) return
      }
      if (!server.write(chunk)) client.pause()
    })
    server.on('data', (chunk) => {
      if (isWriting) {
        isWriting = false
        moments.happens('answer')
      }
      if (!client.destroyed && !client.write(chunk)) server.pause()
    })
    client.on('drain', () => server.resume())
    server.on('drain', () => client.resume())
    server.on('error', () => {})
    for (const end of [client, server]) {
      end.on('close', () => {
        pairs.delete(pair)
        client.destroy()
        server.destroy()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    port: (proxy.address() as AddressInfo).port,
    cut(forMs) {
      refusedUntil = performance.now() + forMs
      drop()
    },
    async stop() {
      proxy.close()
      drop()
      await once(proxy, 'close')
    },
  }
}
