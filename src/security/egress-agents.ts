import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { EgressTarget } from './egress-policy.ts'

/**
 * What replaces host and lookup in the options of `net.connect`, for one connection.
 * @throws SluiceError BLOCKED_ADDRESS; Error with the code ENOTFOUND
 */
export type Guard = (target: EgressTarget) => { host: string; lookup: LookupFunction }

export type HttpAgents = HttpAgent | HttpsAgent

/** An agent of Node whose every new connection is guarded. Connections that it keeps stay at the address that was checked. */
export function createAgent(protocol: string, guard: Guard, options: AgentOptions): HttpAgents {
  return protocol === 'https:' ? new CheckedHttpsAgent(guard, options) : new CheckedHttpAgent(guard, options)
}

/** How an agent opens a socket. */
export type CreateConnection = HttpAgent['createConnection']
type Dialled = Parameters<CreateConnection>[0] & { port?: number | string | null }

class CheckedHttpAgent extends HttpAgent {
  readonly #guard: Guard
  constructor(guard: Guard, options: AgentOptions) {
    super(options)
    this.#guard = guard
  }
  override createConnection(...[options, done]: Parameters<CreateConnection>): ReturnType<CreateConnection> {
    return guarded(this.#guard, options, done, (checked) => super.createConnection(checked, done))
  }
}

class CheckedHttpsAgent extends HttpsAgent {
  readonly #guard: Guard
  constructor(guard: Guard, options: AgentOptions) {
    super(options)
    this.#guard = guard
  }
  override createConnection(...[options, done]: Parameters<CreateConnection>): ReturnType<CreateConnection> {
    return guarded(this.#guard, options, done, (checked) => super.createConnection(checked, done))
  }
}

function guarded(
  guard: Guard,
  options: Dialled,
  done: Parameters<CreateConnection>[1],
  open: (options: Dialled) => ReturnType<CreateConnection>,
): ReturnType<CreateConnection> {
  try {
    const { host, port } = options
    return open({ ...options, path: undefined, ...guard({ host: host ?? '', port: Number(port), isHttp: true }) })
  } catch (error) {
    // The agent hands it to the request.
    done?.(error as Error, undefined as never)
    return undefined
  }
}
