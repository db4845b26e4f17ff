// A bare node:http server that answers every request with one fixed redirect, as a process of its own. Started by
// `startRedirects`, which it does not outlive.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

const self = fileURLToPath(import.meta.url)

/** Starts the server, which sends everyone to `location`. */
export async function startRedirects(location: string): Promise<{ url: string; pid: number; stop(): Promise<void> }> {
  const child = fork(self, [location], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [port] = await once(child, 'message')
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    async stop() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

if (process.argv[1] === self) {
  const Location = process.argv[2]!
  const server = createServer((_request, response) => response.writeHead(303, { Location, 'Content-Length': 0 }).end())
  process.on('disconnect', () => process.exit())
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
}
