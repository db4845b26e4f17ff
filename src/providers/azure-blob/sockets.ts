import type { Egress } from '../../security/egress.ts'
import type { CreateConnection, HttpAgents } from '../../security/egress-agents.ts'

const connectTimeoutMs = 5_000

/** A pool of sockets to `url`. Connecting fails with ETIMEDOUT after 5 seconds. */
export function socketPool(url: string, egress: Egress): HttpAgents {
  const agent = egress.agent(new URL(url).protocol, { keepAlive: true, maxSockets: 512 })
  const connect: CreateConnection = agent.createConnection.bind(agent)
  agent.createConnection = (...[to, done]: Parameters<CreateConnection>) => {
    const socket = connect(to, done)
    if (!socket) return socket
    const late = () =>
      socket.destroy(Object.assign(new Error('No connection within the time limit.'), { code: 'ETIMEDOUT' }))
    const timer = setTimeout(late, connectTimeoutMs)
    for (const event of ['connect', 'close']) socket.once(event, () => clearTimeout(timer))
    return socket
  }
  return agent
}
