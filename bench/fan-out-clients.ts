// Subscribers of graphql-transport-ws, as a process of their own. Started by `startSubscribers`, which they do not outlive.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'

const self = fileURLToPath(import.meta.url)

/** What subscribers ask of a server; each has one subscription with one of these variables. */
interface Wanted {
  url: string
  token: string
  variables: Record<string, string>[]
}

/** What a process of subscribers has been told: one value for each event that reached one of them, in milliseconds. */
export interface Told {
  /** From when the event's commit was heard of. */
  sinceCommit: Float64Array
  /** From the event's own `at`, the beginning of the transaction that made it. */
  sinceBegin: Float64Array
  /** Of all messages. */
  bytes: number
  /** Times that a subscriber was told that it lags. */
  lagged: number
}

interface Subscribers {
  /** Resolves when every subscriber has seen a run's last state. */
  ended: Promise<void>
  /** `heard`: when each event's commit was heard of, by its cursor, in milliseconds since 1970. */
  told(heard: Map<string, number>): Promise<Told>
  /** Ends the process, and with it all of its sockets. */
  close(): Promise<void>
}

type Request = { open: Wanted } | { heard: Map<string, number> }
type Answer = { opened: true } | { ended: true } | { told: Told } | { fault: string }

/** Opens the subscriptions; resolves when each has been told the present state. */
export async function startSubscribers(wanted: Wanted): Promise<Subscribers> {
  const child = fork(self, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], serialization: 'advanced' })
  const answers = new Map<string, PromiseWithResolvers<Answer>>()
  const answer = (name: string) => {
    const known = answers.get(name) ?? Promise.withResolvers<Answer>()
    answers.set(name, known)
    return known
  }
  child.on('message', (message: Answer) => {
    if ('fault' in message) for (const { reject } of answers.values()) reject(new Error(message.fault))
    answer(Object.keys(message)[0]!).resolve(message)
  })
  const ended = answer('ended').promise.then(() => {})
  ended.catch(() => {})
  child.send({ open: wanted } satisfies Request)
  await answer('opened').promise
  return {
    ended,
    async told(heard) {
      child.send({ heard } satisfies Request)
      return ((await answer('told').promise) as { told: Told }).told
    },
    async close() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** How the subscription of every subscriber reads, on both servers. */
const subscription = `subscription ($storageId: ID, $projectId: ID) {
  storageChanged(storageId: $storageId, projectId: $projectId) {
    __typename cursor at
    ... on StorageState {
      kind storage { id title status lastSyncCount }
      run { id status attempt counters { listed created existed failed } }
    }
  }
}`

/** Sockets that one process opens at the same time. */
const opening = 16

/** Wall clock finer than `Date.now`. */
const now = () => performance.timeOrigin + performance.now()

function serve(send: (answer: Answer) => void): (request: Request) => Promise<void> {
  const seen: { cursor: string; at: string; received: number }[] = []
  let [bytes, lagged] = [0, 0]
  let left = 0

  const open = ({ url, token }: Wanted, variables: Record<string, string>) =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(url, 'graphql-transport-ws')
      let isEnded = false
      socket.on('open', () =>
        socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
      )
      socket.on('error', reject)
      socket.on('close', (code) => send({ fault: `A socket was closed with ${code}.` }))
      socket.on('message', (data) => {
        const received = now()
        const { type, payload } = JSON.parse(data.toString())
        if (type === 'connection_ack') {
          socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: subscription, variables } }))
        } else if (type === 'ping') socket.send('{"type":"pong"}')
        else if (type === 'next' && payload.data) {
          const { kind, cursor, at, run, __typename } = payload.data.storageChanged
          if (kind === 'SNAPSHOT') return resolve()
          if (__typename === 'Lagged') lagged++
          if (__typename !== 'StorageState') return
          bytes += (data as Buffer).length
          seen.push({ cursor, at, received })
          if (isEnded || run.status === 'QUEUED' || run.status === 'IN_PROGRESS') return
          isEnded = true
          if (--left === 0) send({ ended: true })
        } else send({ fault: `A subscriber was sent ${data}` })
      })
    })

  return async (request) => {
    if ('open' in request) {
      left = request.open.variables.length
      const rest = request.open.variables.values()
      const lane = async () => {
        for (const variables of rest) await open(request.open, variables)
      }
      await Promise.all(Array.from({ length: opening }, lane))
      return send({ opened: true })
    }
    const sinceCommit = Float64Array.from(seen, ({ cursor, received }) => received - request.heard.get(cursor)!)
    const sinceBegin = Float64Array.from(seen, ({ at, received }) => received - Date.parse(at))
    send({ told: { sinceCommit, sinceBegin, bytes, lagged } })
  }
}

if (process.argv[1] === self) {
  const send = (answer: Answer) => process.connected && process.send!(answer)
  const handle = serve(send)
  process.on('message', (request: Request) => {
    handle(request).catch((error: Error) => send({ fault: String(error) }))
  })
  process.on('disconnect', () => process.exit())
}
