import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { toError } from '../unknown.ts'
import type { EgressTarget } from './egress-policy.ts'

/**
 * Returns the host and lookup options of `net.connect` for one connection.
 * @throws SluiceError BLOCKED_ADDRESS; Error with the code ENOTFOUND
 */
export type Guard = (target: EgressTarget) => { host: string; lookup: LookupFunction }

export type HttpAgents = HttpAgent | HttpsAgent

/** How an agent opens a socket. */
export type CreateConnection = HttpAgent['createConnection']
type Dialled = Parameters<CreateConnection>[0] & { port?: number | string | null }

/** Creates a Node agent that checks every new connection. Kept-alive connections stay at the address that was checked. */
export function createAgent(protocol: string, guard: Guard, options: AgentOptions): HttpAgents {
  const agent = protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
  const open: CreateConnection = agent.createConnection.bind(agent)
  agent.createConnection = (dialled: Dialled, done) => {
    try {
      const { host, port } = dialled
      const checked = guard({ host: host ?? '', port: Number(port), isHttp: true })
      return open({ ...dialled, path: undefined, ...checked }, done)
    } catch (error) {
      // The agent passes the error to the request.
      done?.(toError(error), undefined as never)
      return undefined
    }
  }
  return agent
}
