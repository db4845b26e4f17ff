import WebSocket from 'ws'
import { until } from './sql.ts'

interface Message {
  type: string
  id?: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server put there
  payload?: any
}

/** A bare graphql-transport-ws client, for what a well-behaved one would never do. */
export async function openSocket(url: string, payload: Record<string, unknown>) {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws')
  const messages: Message[] = []
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  socket.on('message', (data) => messages.push(JSON.parse(String(data))))
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const send = (message: object) => socket.send(JSON.stringify(message))
  send({ type: 'connection_init', payload })
  let operations = 0
  return {
    socket,
    closed,
    /** Resolves once the server has accepted the connection. */
    ready: () => until(() => messages.some(({ type }) => type === 'connection_ack')),
    /** Sends an operation and returns its first answer: `next` or `error`. */
    async request(query: string, variables: Record<string, unknown> = {}): Promise<Message> {
      const id = String(++operations)
      send({ id, type: 'subscribe', payload: { query, variables } })
      const answer = () => messages.find((message) => message.id === id && message.type !== 'complete')
      return Promise.race([
        until(answer),
        closed.then(({ code, reason }) => Promise.reject(new Error(`The socket was closed: ${code} ${reason}`))),
      ])
    },
  }
}
