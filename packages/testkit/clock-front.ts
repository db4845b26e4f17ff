import { Agent, createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { forward } from './forward.ts'
import { waitFor } from './wait-for.ts'

/** Starts an HTTP proxy before `target` whose answers carry the time of `clock` (milliseconds since 1970). */
export async function startClockFront(target: string, clock: () => number) {
  const agent = new Agent({ keepAlive: true })
  const server = createServer((incoming, response) => {
    answerDate(response, clock)
    forward({ incoming, response, target, agent })
  }).listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    /** The target's endpoint, by way of the front. */
    endpoint: `http://127.0.0.1:${port}${new URL(target).pathname}`.replace(/\/$/, ''),
    async stop() {
      agent.destroy()
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
}

/** Makes every answer carry the time of `clock`, not that of the server behind. */
export function answerDate(response: ServerResponse, clock: () => number): void {
  const { writeHead } = response
  response.sendDate = false
  response.writeHead = ((status: number, headers: string[] | Record<string, string> = {}) => {
    const pairs = Array.isArray(headers)
      ? headers.flatMap((name, n) => (n % 2 === 0 ? [[name, headers[n + 1]!] as const] : []))
      : Object.entries(headers)
    const others = pairs.filter(([name]) => name.toLowerCase() !== 'date').flat()
    return writeHead.call(response, status, [...others, 'Date', new Date(clock()).toUTCString()])
  }) as ServerResponse['writeHead']
}
