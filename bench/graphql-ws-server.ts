// A bare server of graphql-ws, as a process of its own: it pushes what it is handed to those who subscribed, and executes
// for each of them. It checks no token and has no database. Started by `startBareServer`, which it does not outlive.
import { fork } from 'node:child_process'
import { EventEmitter, on, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { startEnv, startOptions } from './sluice-process.ts'

const self = fileURLToPath(import.meta.url)

/** What subscribers are told, in the shape in which Sluice tells it. */
interface BareChange {
  __typename: 'StorageState'
  cursor: string
  at: string
  kind: string
  storage: { id: string; title: string; status: string; lastSyncCount: number | null }
  run: { id: string; status: string; attempt: number; counters: Record<string, number> } | null
}

interface BareState {
  heapMiB: number
  subscribed: number
}

export interface BareServer {
  url: string
  pid: number
  /** Tells a change to all who subscribed to its storage, or to the project. */
  push(project: string, change: BareChange): void
  /** Collects garbage; what is in use then, and how many are subscribed. */
  look(): Promise<BareState>
  stop(): Promise<void>
}

export async function startBareServer(): Promise<BareServer> {
  const execArgv = [...startOptions, '--expose-gc']
  const env = { ...process.env, ...startEnv }
  const child = fork(self, { execArgv, env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [port] = await once(child, 'message')
  return {
    url: `ws://127.0.0.1:${port}/graphql`,
    pid: child.pid!,
    push: (project, change) => child.send([project, change]),
    async look() {
      child.send('look')
      return (await once(child, 'message'))[0]
    },
    async stop() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

const schema = `
  scalar DateTime
  type Query { viewer: String }
  type Subscription { storageChanged(storageId: ID, projectId: ID): StorageEvent! }
  interface StorageEvent { cursor: String! at: DateTime! }
  enum Kind { SNAPSHOT STATUS PROGRESS }
  type StorageState implements StorageEvent { cursor: String! at: DateTime! kind: Kind! storage: Storage run: Run }
  type Storage { id: ID! title: String status: String! lastSyncCount: Float }
  type Run { id: ID! status: String! attempt: Int! counters: Counters! }
  type Counters { listed: Float! created: Float! existed: Float! failed: Float! }
`

if (process.argv[1] === self) {
  const changes = new EventEmitter().setMaxListeners(0)
  function storageChanged({ storageId, projectId }: Record<'storageId' | 'projectId', string | undefined>) {
    const name = storageId ?? projectId!
    const told = on(changes, name)
    const storage = { id: storageId ?? '', title: '', status: 'INITIALIZED', lastSyncCount: null }
    const at = new Date().toISOString()
    const present = { __typename: 'StorageState', cursor: '0', at, kind: 'SNAPSHOT', storage, run: null }
    let isNew = true
    // Not a generator, which could not be left while it waits.
    return {
      async next() {
        if (isNew) {
          isNew = false
          return { done: false, value: { storageChanged: present } }
        }
        const { done, value } = await told.next()
        return { done, value: done ? undefined : { storageChanged: value[0] } }
      },
      return: () => told.return!(),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }
  process.on('message', (message: 'look' | [string, BareChange]) => {
    if (message === 'look') {
      gc!()
      const names = changes.eventNames().filter((name) => name !== 'error')
      const subscribed = names.reduce((sum, name) => sum + changes.listenerCount(name), 0)
      process.send!({ heapMiB: process.memoryUsage().heapUsed / 2 ** 20, subscribed } satisfies BareState)
      return
    }
    const [project, change] = message
    changes.emit(change.storage.id, change)
    changes.emit(project, change)
  })
  process.on('disconnect', () => process.exit())
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/graphql' })
  useServer({ schema: buildSchema(schema), roots: { subscription: { storageChanged } } }, sockets, 12_000)
  sockets.on('listening', () => process.send!((sockets.address() as AddressInfo).port))
}
