import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { createFaults, type SetFault } from './faults.ts'
import { createDatabase } from './redis-data.ts'
import type { RedisCommand, RedisFault } from './redis-faults.ts'
import { createCommandReader, encodeReply, type Reply } from './redis-wire.ts'
import { waitFor } from './wait-for.ts'

/** A certificate for localhost and 127.0.0.1 that nobody has signed but itself, and its key; for tests only. */
export const tlsFiles = {
  certificate: new URL('./tls/certificate.pem', import.meta.url),
  key: new URL('./tls/key.pem', import.meta.url),
}

/** How a Redis server is set up. */
export interface RedisOptions {
  /** What the default user must give; absent: nothing. */
  password?: string
  /** Other users, and the commands that they may not run. */
  users?: Record<string, { password: string; denied: string[] }>
  tls?: boolean
  /** How many databases there are; 16 by default. */
  databases?: number
}

/** What the small server can pretend besides. */
export interface SmallRedisOptions extends RedisOptions {
  mode?: 'standalone' | 'cluster' | 'sentinel'
  /** SCAN repeats keys, within a page and on the next. */
  doubles?: boolean
}

interface SmallRedis {
  host: string
  port: number
  /** Commands seen, refused ones included, by name. */
  counts: Record<string, number>
  /** Connections that were ever accepted. */
  readonly connections: number
  /** Connections that are open. */
  readonly open: number
  fail(fault: RedisFault): SetFault<RedisCommand>
  /** As if the process ended and began anew with the same data: all connections are closed, SCAN has another order. */
  restart(): void
  stop(): Promise<void>
}

/** Starts a small server that speaks as much of RESP2 and of Redis 7 as the provider and its tests need. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the commands of one server share its data
export async function startSmallRedis(options: SmallRedisOptions = {}): Promise<SmallRedis> {
  const { databases = 16 } = options
  let runId = randomBytes(20).toString('hex')
  const data = Array.from({ length: databases }, () => createDatabase({ salt: () => runId }))
  const faults = createFaults<RedisCommand, RedisFault>()
  const counts: Record<string, number> = {}
  const sockets = new Set<Socket>()
  let connections = 0
  let lastScanned: Reply[] = []

  /** The answer to one command of a client. */
  const answer = (client: Client, { name, args }: RedisCommand): Reply => {
    if (name === 'auth') return client.auth(options, args)
    if (name === 'hello') return { error: 'NOPROTO unsupported protocol version' }
    if (client.user === undefined) return { error: 'NOAUTH Authentication required.' }
    const refusal = refusalOf(client, name)
    if (refusal) return { error: refuse(client, name, refusal) }
    if (name === 'multi') {
      client.queue = []
      return { status: 'OK' }
    }
    if (name === 'exec') return exec(client)
    if (client.queue) {
      client.queue.push({ name, args })
      return { status: 'QUEUED' }
    }
    return execute(client, { name, args })
  }

  const refusalOf = (client: Client, name: string): string | undefined => {
    const isKnown = ['multi', 'exec', 'select', 'ping', 'info', 'client'].includes(name) || name in data[0]!
    if (!isKnown) return `ERR unknown command '${name}'`
    const isDenied = options.users?.[client.user!]?.denied.includes(name)
    return isDenied ? `NOPERM User ${client.user} has no permissions to run the '${name}' command` : undefined
  }

  /** As rejectCommand of server.c: a command that is refused breaks the transaction it belongs to; EXEC ends it. */
  const refuse = (client: Client, name: string, error: string): string => {
    if (client.queue) client.isBroken = true
    if (name !== 'exec') return error
    exec(client)
    return `EXECABORT Transaction discarded because of: ${error}`
  }

  const exec = (client: Client): Reply => {
    const { queue, isBroken } = client
    client.queue = undefined
    client.isBroken = false
    if (!queue) return { error: 'ERR EXEC without MULTI' }
    if (isBroken) return { error: 'EXECABORT Transaction discarded because of previous errors.' }
    return queue.map((command) => execute(client, command))
  }

  const execute = (client: Client, { name, args }: RedisCommand): Reply => {
    if (name === 'ping') return { status: 'PONG' }
    if (name === 'client') return { status: 'OK' }
    if (name === 'info') {
      const mode = options.mode ?? 'standalone'
      return `# Server\r\nredis_version:7.0.15\r\nredis_mode:${mode}\r\nrun_id:${runId}\r\nhz:10\r\n`
    }
    if (name === 'select') {
      if (!(Number(args[0]) < databases)) return { error: 'ERR DB index is out of range' }
      client.db = Number(args[0])
      return { status: 'OK' }
    }
    const reply = data[client.db]![name]!(...args)
    if (name !== 'scan' || !options.doubles || !Array.isArray(reply)) return reply
    const [cursor, keys] = reply as [string, Reply[]]
    const doubled = [...lastScanned.slice(-3), ...keys, ...keys.slice(0, 3)]
    lastScanned = keys
    return [cursor, doubled]
  }

  const serve = (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.setNoDelay()
    const client = createClient(options)
    const read = createCommandReader()
    const waiting: RedisCommand[] = []
    let isHeld = false
    const work = () => {
      for (let next = isHeld ? undefined : waiting.shift(); next; next = isHeld ? undefined : waiting.shift()) {
        const command = next
        counts[command.name] = (counts[command.name] ?? 0) + 1
        const met = faults.meet(command, socket)
        if (!met) {
          send(socket, answer(client, command))
          continue
        }
        if ('error' in met.fault) {
          send(socket, { error: refuse(client, command.name, met.fault.error) })
        } else if ('raw' in met.fault) socket.write(met.fault.raw)
        else if ('drop' in met.fault) socket.destroy()
        else {
          isHeld = true
          met.released.then(() => {
            isHeld = false
            if (!socket.destroyed) send(socket, answer(client, command))
            work()
          })
        }
      }
    }
    socket.on('data', (chunk) => {
      try {
        for (const [name, ...args] of read(chunk)) waiting.push({ name: String(name).toLowerCase(), args })
      } catch (error) {
        // The server answers a client of another protocol with an error and closes the connection.
        socket.end(`-ERR Protocol error: ${(error as Error).message}\r\n`)
        return
      }
      work()
    })
  }

  const server = options.tls
    ? createTlsServer({ cert: readFileSync(tlsFiles.certificate), key: readFileSync(tlsFiles.key) }, serve)
    : createTcpServer(serve)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')

  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    counts,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    fail: faults.fail,
    restart() {
      runId = randomBytes(20).toString('hex')
      for (const socket of sockets) socket.destroy()
    },
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await waitFor(server, 'close')
    },
  }
}

function send(socket: Socket, reply: Reply): void {
  socket.cork()
  for (const piece of encodeReply(reply)) socket.write(piece)
  socket.uncork()
}

type Client = ReturnType<typeof createClient>

/** What the server knows of one connection. */
function createClient(options: RedisOptions) {
  return {
    user: options.password === undefined ? 'default' : (undefined as string | undefined),
    db: 0,
    queue: undefined as RedisCommand[] | undefined,
    isBroken: false,
    auth({ password, users = {} }: RedisOptions, args: Buffer[]): Reply {
      const [name, given] = args.length > 1 ? args.map(String) : ['default', String(args[0])]
      if (args.length === 1 && password === undefined) {
        return { error: 'ERR AUTH <password> called without any password configured for the default user.' }
      }
      const expected = name === 'default' ? password : users[name!]?.password
      if (expected === undefined || expected !== given) {
        return { error: 'WRONGPASS invalid username-password pair or user is disabled.' }
      }
      this.user = name
      return { status: 'OK' }
    },
  }
}
