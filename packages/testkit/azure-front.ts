import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFaults, type FaultScope, type SetFault } from './faults.ts'
import { forward } from './forward.ts'
import { waitFor } from './wait-for.ts'

/** What is done to requests. */
export type AzureFault = FaultScope<IncomingMessage> &
  (
    | { status: number; code: string; headers?: Record<string, string>; rest?: string }
    | { answer: { status: number; headers?: Record<string, string>; body: string } }
    | { reset: true }
    | { cutAfterBytes: number }
    | { hold: true }
  )

interface AzureFront {
  /** The target's endpoint, by way of the front. */
  endpoint: string
  port: number
  /** Requests seen, as `METHOD url`. */
  requests: string[]
  fail(fault: AzureFault): SetFault<IncomingMessage>
  stop(): Promise<void>
}

/** Starts an HTTP proxy before a blob service. Signatures stay good, since Azure does not sign the host. */
export async function startAzureFront(target: string): Promise<AzureFront> {
  const agent = new Agent({ keepAlive: true })
  const faults = createFaults<IncomingMessage, AzureFault>()
  const requests: string[] = []

  const server = createServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`)
    const met = faults.meet(incoming, response)
    if (!met) return forward({ incoming, response, target, agent })
    const { fault } = met
    if ('status' in fault) sendError(response, fault)
    else if ('answer' in fault) response.writeHead(fault.answer.status, fault.answer.headers).end(fault.answer.body)
    else if ('reset' in fault) incoming.socket.resetAndDestroy()
    else if ('cutAfterBytes' in fault)
      forward({ incoming, response, target, agent, cutAfterBytes: fault.cutAfterBytes })
    // A held request is never answered.
  })
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}${new URL(target).pathname}`,
    port,
    requests,
    fail: faults.fail,
    async stop() {
      agent.destroy()
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
}

function sendError(response: ServerResponse, fault: Extract<AzureFault, { status: number }>): void {
  const { status, code, headers, rest = '' } = fault
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>injected</Message>${rest}</Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'x-ms-error-code': code, ...headers }).end(body)
}
