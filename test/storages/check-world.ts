import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { makeCertificate } from '@sluice/testkit/certificate.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'

/** Ports of 127.0.0.1 at which something is wrong. */
export interface Ports {
  /** Nobody listens. */
  closed: number
  /** Accepts connections and never says a word. */
  silent: number
  /** A website over http: the login page of a console, whatever is asked. */
  website: number
  /** Speaks https with a certificate that nobody has signed but itself. */
  selfSigned: number
}

/** An app with a project, and ports to run against. */
export interface World {
  app: TestApp
  project: string
  ports: Ports
  stop(): Promise<void>
}

export async function startWorld(): Promise<World> {
  const [app, doors] = await Promise.all([startTestApp(), startPorts()])
  return {
    app,
    project: await createProject(app),
    ports: doors.ports,
    async stop() {
      await app.stop()
      await doors.stop()
    },
  }
}

/** Opens the ports of `Ports`. */
export async function startPorts(): Promise<{ ports: Ports; stop(): Promise<void> }> {
  const page = '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Console</body></html>'
  const { cert, key } = makeCertificate()
  const servers = {
    closed: createServer(),
    silent: createServer(),
    website: createHttpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
    }),
    selfSigned: createHttpsServer({ cert, key }, (_request, response) => response.end()),
  }
  const sockets = new Set<Socket>()
  const ports = {} as Ports
  for (const [name, server] of Object.entries(servers)) {
    server.on('connection', (socket) =>
      sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket))),
    )
    server.listen(0, '127.0.0.1')
    await waitFor(server, 'listening')
    ports[name as keyof Ports] = (server.address() as AddressInfo).port
  }
  const close = async (server: Server) => {
    server.close()
    await waitFor(server, 'close')
  }
  await close(servers.closed)
  return {
    ports,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([servers.silent, servers.website, servers.selfSigned].map(close))
    },
  }
}
