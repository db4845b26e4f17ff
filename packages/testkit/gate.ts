import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { jobsSetting } from './jobs.ts'
import { waitFor } from './wait-for.ts'

/** A TCP way to a server that can be closed and opened again. */
interface Gate {
  port: number
  /** Drops all connections, and every new one from now on. */
  close(): void
  open(): void
  stop(): Promise<void>
}

/** Starts an open gate. */
async function startGate(to: NetConnectOpts): Promise<Gate> {
  const sockets = new Set<Socket>()
  let isClosed = false
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer((client) => {
    if (isClosed) return client.destroy()
    const upstream = connect(to)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket) && other.destroy())
      socket.pipe(other)
    }
  })
  await waitFor(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      isClosed = true
      drop()
    },
    open() {
      isClosed = false
    },
    async stop() {
      server.close()
      drop()
      await waitFor(server, 'close')
    },
  }
}

/** A gate before the database of a test's jobs, and the JOBS_URL that leads through it. */
export async function gateToJobs(databaseUrl: string): Promise<{ gate: Gate; jobsUrl: string }> {
  const { JOBS_URL } = jobsSetting(databaseUrl)
  if (JOBS_URL) {
    const { hostname: host, port, pathname } = new URL(JOBS_URL)
    const gate = await startGate({ host, port: Number(port) })
    return { gate, jobsUrl: `mongodb://127.0.0.1:${gate.port}${pathname}?serverSelectionTimeoutMS=500` }
  }
  const { pathname, searchParams } = new URL(databaseUrl)
  const gate = await startGate({ path: `${searchParams.get('host')}/.s.PGSQL.5432` })
  const user = `${searchParams.get('user')}:${encodeURIComponent(searchParams.get('password')!)}`
  return { gate, jobsUrl: `postgres://${user}@127.0.0.1:${gate.port}${pathname}` }
}
