import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'

const connectTimeoutMs = 5_000
const options: AgentOptions = { keepAlive: true, maxSockets: 512 }

/** A pool of sockets to `url`. A host that does not answer at all is given up after some seconds. */
export function socketPool(url: string): HttpAgent | HttpsAgent {
  const agent = url.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options)
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (to, done) => {
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
