import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'
import { type RedisOptions, startSmallRedis, tlsFiles } from './redis-small.ts'
import { until } from './sql.ts'

/** A running Redis server. */
export interface RedisServer {
  host: string
  port: number
  /** A client of its own for one database, to put things there without the provider; signed in as the default user. */
  client(db: number): Redis
  /** Resolves when it has ended; its data is gone with it. */
  stop(): Promise<void>
}

/** Starts the real server that the environment names (`SLUICE_TEST_REDIS=redis-server`), else the small one of ours. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = process.env.SLUICE_TEST_REDIS
  const server = binary ? await startReal(binary, options) : await startSmallRedis(options)
  const { host, port } = server
  const clients: Redis[] = []
  return {
    host,
    port,
    client(db) {
      const client = new Redis({
        host,
        port,
        db,
        protocol: 2,
        ...(options.password && { password: options.password }),
        ...(options.tls && { tls: { rejectUnauthorized: false } }),
      })
      clients.push(client)
      return client
    },
    async stop() {
      for (const client of clients) client.disconnect()
      await server.stop()
    },
  }
}

async function startReal(binary: string, options: RedisOptions) {
  const { password, users = {}, tls = false, databases = 16 } = options
  const [host, port] = ['127.0.0.1', await freePort()]
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
  const settings: string[][] = [
    ['bind', host],
    ['dir', folder],
    ['save', ''],
    ['databases', String(databases)],
    ...(tls
      ? [
          ['port', '0'],
          ['tls-port', String(port)],
          ['tls-cert-file', fileURLToPath(tlsFiles.certificate)],
          ['tls-key-file', fileURLToPath(tlsFiles.key)],
          ['tls-ca-cert-file', fileURLToPath(tlsFiles.certificate)],
          ['tls-auth-clients', 'no'],
        ]
      : [['port', String(port)]]),
    ...(password === undefined ? [] : [['requirepass', password]]),
    ...Object.entries(users).map(([name, user]) => [
      'user',
      [name, 'on', `>${user.password}`, '~*', '+@all', ...user.denied.map((command) => `-${command}`)].join(' '),
    ]),
  ]
  const child = spawn(binary, ['-'], { stdio: ['pipe', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  child.stdin.end(settings.map(([name, value]) => `${name} ${value === '' ? '""' : value}\n`).join(''))
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`${binary} has ended with code ${child.exitCode}.`)
      return canConnect(host, port)
    },
    { what: `${binary} to listen` },
  )
  return {
    host,
    port,
    async stop() {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
