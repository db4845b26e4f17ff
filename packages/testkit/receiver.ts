import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { createFaults, type FaultScope, type SetFault } from './faults.ts'

/** A message as the receiver got it, with the answer it gave. */
interface Received {
  path: string
  headers: Record<string, string>
  body: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read what was sent
  message: any
  status: number
}

interface Fault extends FaultScope<Received> {
  status?: number
  headers?: Record<string, string>
  body?: string
  /** Answers only when the fault is released. */
  hold?: boolean
  /** Answers with its head only, and leaves the body open. */
  halfAnswer?: boolean
  /** Cuts the connection without an answer. */
  cut?: boolean
}

/** A real HTTP server that takes webhooks and can be made to fail. */
export interface Receiver {
  url: string
  port: number
  /** All requests, in the order in which they came. */
  received: Received[]
  /** The types of the messages that were answered with 2xx, in order. */
  taken(): string[]
  fail(fault: Fault): SetFault<Received>
  stop(): Promise<void>
}

/** Starts a receiver on a free port, or on the given one, as one that was down for a while. */
export async function startReceiver(port = 0): Promise<Receiver> {
  const received: Received[] = []
  const faults = createFaults<Received, Fault>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const headers = request.headers as Record<string, string>
    const one: Received = { path: request.url!, headers, body, message: JSON.parse(body), status: 200 }
    const met = faults.meet(one, request.socket)
    one.status = met?.fault.status ?? 200
    received.push(one)
    if (met?.fault.cut) {
      request.socket.destroy()
      return
    }
    if (met?.fault.hold) await met.released
    response.writeHead(one.status, met?.fault.headers)
    if (met?.fault.halfAnswer) response.write('so ')
    else response.end(met?.fault.body ?? 'thanks')
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    received,
    taken: () => received.filter(({ status }) => status < 300).map(({ message }) => message.type),
    fail: faults.fail,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What a receiver that uses the library of Standard Webhooks does first; throws when a message is not genuine. */
export function verify(secret: string, { headers, body }: Pick<Received, 'headers' | 'body'>): unknown {
  return new Webhook(secret).verify(body, headers)
}
