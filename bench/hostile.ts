// A project that takes whatever it can get, in a process of its own. Started by `startHostile`, which it does not outlive.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createClient } from '@sluice/testkit/client.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import { resend, tell } from '@sluice/testkit/webhooks.ts'
import WebSocket from 'ws'

const self = fileURLToPath(import.meta.url)

/** What the hostile project does. */
interface HostileOptions {
  url: string
  token: string
  /** Storages whose listings never answer, each with a sync. */
  storages: number
  /** Webhooks whose receiver never answers, each with a message. */
  webhooks: number
  /** Subscriptions that it tries to open, on ten sockets. */
  subscriptions: number
  /** Queries that it has under way at any time. */
  queries: number
}

/** What it got. */
export interface HostileFound {
  listings: number
  deliveries: number
  subscriptions: number
  answered: number
  refused: number
}

/** Starts it; resolves when all of it is under way. */
export async function startHostile(options: HostileOptions): Promise<{ leave(): Promise<HostileFound> }> {
  const child = fork(self, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exit = once(child, 'exit')
  const said = async () => {
    const [message] = await Promise.race([once(child, 'message'), exit.then(() => [undefined])])
    if (message === undefined) throw new Error('The hostile process has ended.')
    return message as HostileFound
  }
  await said()
  return {
    async leave() {
      const found = said()
      child.send('What did you get?')
      const last = await found
      child.disconnect()
      await exit
      return last
    },
  }
}

/** A server that takes every request and answers none. */
async function startSilent(): Promise<{ url: string; taken: () => number }> {
  let taken = 0
  const server = createServer(() => taken++).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken: () => taken }
}

async function subscribe({ url, token, subscriptions }: HostileOptions, projectId: string): Promise<() => number> {
  const query = 'subscription ($id: ID!) { storageChanged(projectId: $id) { cursor } }'
  let [told, accepted] = [0, 0]
  for (let n = 0; n < 10; n++) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await once(socket, 'open')
    const answered = new Set<string>()
    socket.on('message', (data) => {
      const { id, type, payload } = JSON.parse(String(data))
      if (type === 'connection_ack') {
        for (let m = 0; m < subscriptions / 10; m++) {
          socket.send(
            JSON.stringify({ id: String(m), type: 'subscribe', payload: { query, variables: { id: projectId } } }),
          )
        }
      } else if (id !== undefined && !answered.has(id)) {
        answered.add(id)
        told++
        if (type === 'next' && !payload.errors) accepted++
      }
    })
    socket.on('close', () => {
      told += subscriptions / 10 - answered.size
    })
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
  }
  while (told < subscriptions) await new Promise((resolve) => setTimeout(resolve, 50))
  return () => accepted
}

async function attack(options: HostileOptions): Promise<() => HostileFound> {
  const { url, token } = options
  const client = createClient(url, token)
  const projectId = await createProject(client)
  const [storage, receiver] = [await startSilent(), await startSilent()]
  for (let n = 0; n < options.webhooks; n++) {
    const { id } = await tell(client, projectId, { url: receiver.url, actions: ['SYNC_STARTED'] })
    await resend(client, 'testWebhook', id)
  }
  for (let n = 0; n < options.storages; n++) {
    const { storage: made } = await createStorage(client, {
      projectId,
      location: { s3: { bucket: `hostile-${n}`, endpoint: storage.url, accessKeyId: 'a', secretAccessKey: 'b' } },
      skipCheck: true,
    })
    await startSync(client, made.id)
  }
  const subscribed = await subscribe(options, projectId)
  let [answered, refused] = [0, 0]
  const ask = async () => {
    for (;;) {
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: '{ projects { edges { node { id title } } } }' }),
      })
      await answer.text()
      if (answer.status === 429) refused++
      else answered++
    }
  }
  for (let n = 0; n < options.queries; n++) ask().catch(() => {})
  return () => ({
    listings: storage.taken(),
    deliveries: receiver.taken(),
    subscriptions: subscribed(),
    answered,
    refused,
  })
}

if (process.argv[1] === self) {
  process.on('disconnect', () => process.exit())
  const found = await attack(JSON.parse(process.argv[2]!))
  process.on('message', () => process.send!(found())).send!(found())
}
