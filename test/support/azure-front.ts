import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What is done to requests that `match`, for the first `times` of them (default 1). */
export type AzureFault = { match?: (request: IncomingMessage) => boolean; times?: number } & (
  | { status: number; code: string; headers?: Record<string, string>; rest?: string }
  | { answer: { status: number; headers?: Record<string, string>; body: string } }
  | { reset: true }
  | { cutAfterBytes: number }
  | { hold: true }
)

/** A fault that was set. */
export interface SetAzureFault {
  /** How many requests it has met. */
  readonly hits: number
  /** Resolves when the first request has met it. */
  readonly met: Promise<void>
  /** Resolves when the client has closed the connection of a request that met it. */
  readonly closed: Promise<void>
}

export interface AzureFront {
  /** The target's endpoint, by way of the front. */
  endpoint: string
  port: number
  /** Requests seen, as `METHOD url`. */
  requests: string[]
  fail(fault: AzureFault): SetAzureFault
  stop(): Promise<void>
}

/** Starts an HTTP proxy before a blob service. Signatures stay good, since Azure does not sign the host. */
export async function startAzureFront(target: string): Promise<AzureFront> {
  const agent = new Agent({ keepAlive: true })
  const faults: ReturnType<typeof arm>[] = []
  const requests: string[] = []

  const server = createServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`)
    const met = faults.find(({ fault, state }) => state.left > 0 && (fault.match?.(incoming) ?? true))
    if (!met) return forward({ incoming, response, target, agent })
    met.meet(response)
    const { fault } = met
    if ('status' in fault) sendError(response, fault)
    else if ('answer' in fault) response.writeHead(fault.answer.status, fault.answer.headers).end(fault.answer.body)
    else if ('reset' in fault) incoming.socket.resetAndDestroy()
    else if ('cutAfterBytes' in fault)
      forward({ incoming, response, target, agent, cutAfterBytes: fault.cutAfterBytes })
    // A held request is never answered.
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}${new URL(target).pathname}`,
    port,
    requests,
    fail(fault) {
      const armed = arm(fault)
      faults.push(armed)
      return armed.handle
    },
    async stop() {
      agent.destroy()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function arm(fault: AzureFault) {
  const state = { left: fault.times ?? 1, hits: 0 }
  const met = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  return {
    fault,
    state,
    meet(response: ServerResponse) {
      state.left--
      state.hits++
      response.once('close', () => closed.resolve())
      met.resolve()
    },
    handle: {
      get hits() {
        return state.hits
      },
      met: met.promise,
      closed: closed.promise,
    } satisfies SetAzureFault,
  }
}

function forward(options: {
  incoming: IncomingMessage
  response: ServerResponse
  target: string
  agent: Agent
  cutAfterBytes?: number
}): void {
  const { incoming, response, target, agent, cutAfterBytes } = options
  const { hostname, port } = new URL(target)
  const { method, url: path, headers } = incoming
  const upstream = sendRequest({ hostname, port, method, path, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode!, answer.rawHeaders)
    answer.on('error', () => response.destroy())
    if (cutAfterBytes === undefined) return answer.pipe(response)
    let left = cutAfterBytes
    answer.on('data', (chunk: Buffer) => {
      if (left > 0) response.write(chunk.subarray(0, left))
      left -= chunk.length
      // Closed in order, since a reset would overtake the bytes before the cut.
      if (left <= 0) incoming.socket.destroySoon()
    })
  })
  upstream.on('error', () => response.destroy())
  response.on('close', () => upstream.destroy())
  incoming.pipe(upstream)
}

function sendError(response: ServerResponse, fault: Extract<AzureFault, { status: number }>): void {
  const { status, code, headers, rest = '' } = fault
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>injected</Message>${rest}</Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'x-ms-error-code': code, ...headers }).end(body)
}
