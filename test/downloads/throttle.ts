import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Transform } from 'node:stream'

/** A TCP way to `port` of this machine on which each connection carries at most `bytesPerSecond` to the client. */
export async function startThrottle(port: number, bytesPerSecond: number): Promise<{ port: number; stop(): void }> {
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port })
    let freeAt = performance.now()
    const slow = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        freeAt = Math.max(freeAt, performance.now()) + (chunk.length / bytesPerSecond) * 1_000
        const waitMs = freeAt - performance.now()
        if (waitMs < 20) done(null, chunk)
        else setTimeout(() => done(null, chunk), waitMs)
      },
    })
    client.pipe(upstream)
    upstream.pipe(slow).pipe(client)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy())
    }
    client.on('close', () => upstream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, stop: () => void server.close() }
}
