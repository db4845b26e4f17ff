import { type AddressInfo, createServer } from 'node:net'
import { waitFor } from './wait-for.ts'

/** A port of 127.0.0.1 on which nothing listened a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await waitFor(server, 'close')
  return port
}
