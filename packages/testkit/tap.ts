import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { waitFor } from './wait-for.ts'

/** A TCP way to a server that is watched, and on which an answer can be stopped at a byte. */
export interface Tap {
  port: number
  /** Connections that were ever accepted. */
  readonly connections: number
  /** Connections that are open. */
  readonly open: number
  /** Bytes that have come from the server. */
  readonly bytes: number
  /** Stops the first connection on which more than `bytes` come from the server from now on, behind those bytes. */
  holdAfter(bytes: number): HeldConnection
  /**
   * Changes the text `from` into `to`, as long as it, in what passes one way or the other, up to `times` times. How often it
   * has happened so far.
   */
  change(from: string, to: string, times: number): () => number
  /** Ends all connections. */
  drop(): void
  /** Ends all connections, and refuses new ones. */
  shut(): void
  /** Accepts connections again, on the same port. */
  reopen(): Promise<void>
  stop(): Promise<void>
}

/** A connection that says nothing any more, though it is open. */
interface HeldConnection {
  /** Resolves when the bytes before the stop are on their way. */
  held: Promise<void>
  /** Resolves when the client has closed it, with when that was (milliseconds, of `performance.now`). */
  closed: Promise<number>
  /** Ends it behind the bytes before the stop; when it is not stopped yet, as soon as it is. */
  cut(): void
}

/** Starts a tap before the server at `port` of this machine. */
export async function startTap(port: number): Promise<Tap> {
  const sockets = new Set<Socket>()
  let connections = 0
  let open = 0
  let bytes = 0
  let armed: ReturnType<typeof createHold> | undefined
  let changing: { from: string; to: string; times: number; hits: number } | undefined
  const change = (chunk: Buffer) => {
    for (let at = 0; changing && changing.hits < changing.times; changing.hits++) {
      at = chunk.indexOf(changing.from, at)
      if (at < 0) return
      chunk.write(changing.to, at, 'latin1')
    }
  }

  const server = createServer((client) => {
    connections++
    open++
    client.once('close', () => open--)
    const upstream = connect({ host: '127.0.0.1', port })
    let hold: typeof armed
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {}).once('close', () => sockets.delete(socket) && other.destroySoon())
      socket.setNoDelay()
    }
    client.on('data', (chunk: Buffer) => {
      change(chunk)
      if (!upstream.write(chunk)) client.pause()
    })
    client.on('end', () => upstream.end())
    upstream.on('drain', () => client.resume())
    client.on('drain', () => !hold && upstream.resume())
    upstream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      change(chunk)
      const fits = armed?.count(client, chunk.length)
      if (fits === undefined || fits >= chunk.length) {
        if (!client.write(chunk)) upstream.pause()
        return
      }
      hold = armed!
      armed = undefined
      upstream.pause()
      client.write(chunk.subarray(0, fits))
      hold.take(client)
    })
  })
  await waitFor(server.listen(0, '127.0.0.1'), 'listening')

  const { port: listeningPort } = server.address() as AddressInfo
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  const shut = () => {
    server.close()
    drop()
  }
  return {
    port: listeningPort,
    get connections() {
      return connections
    },
    get open() {
      return open
    },
    get bytes() {
      return bytes
    },
    holdAfter(limit) {
      armed = createHold(limit)
      return armed.handle
    },
    change(from, to, times) {
      const one = { from, to, times, hits: 0 }
      changing = one
      return () => one.hits
    },
    drop,
    shut,
    async reopen() {
      await waitFor(server.listen(listeningPort, '127.0.0.1'), 'listening')
    },
    async stop() {
      if (!server.listening) return
      shut()
      await waitFor(server, 'close')
    },
  }
}

function createHold(limit: number) {
  const held = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<number>()
  const seen = new WeakMap<Socket, number>()
  let taken: Socket | undefined
  return {
    /** How many of the next bytes to this client may pass. */
    count(client: Socket, length: number): number {
      const before = seen.get(client) ?? 0
      seen.set(client, before + length)
      return limit - before
    },
    take(client: Socket) {
      taken = client
      for (const event of ['end', 'close']) client.once(event, () => closed.resolve(performance.now()))
      held.resolve()
    },
    handle: {
      held: held.promise,
      closed: closed.promise,
      cut: () => void held.promise.then(() => taken!.destroySoon()),
    },
  }
}
