import { createClient } from 'graphql-sse'
import type { TestApp } from './app.ts'

/** The two ways to a subscription. */
export const transports = ['WebSocket', 'SSE'] as const
type Transport = (typeof transports)[number]

/** Subscribes by the transport, with the app's own token. Leaving the loop, or `return()`, ends the subscription. */
export async function* subscribe(
  app: Pick<TestApp, 'url' | 'token' | 'subscribe'>,
  transport: Transport,
  query: string,
  variables: Record<string, unknown> = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
): AsyncGenerator<any> {
  if (transport === 'WebSocket') return yield* app.subscribe(query, variables)
  const client = createClient({
    url: `${app.url}/graphql`,
    headers: { authorization: `Bearer ${app.token}` },
    retryAttempts: 0,
  })
  try {
    for await (const { data, errors } of client.iterate({ query, variables })) {
      if (errors) throw Object.assign(new Error(errors.map((e) => e.message).join('; ')), { errors })
      yield data
    }
  } finally {
    client.dispose()
  }
}

/** What `storageChanged` tells, in the fields that tests look at. */
export interface SeenEvent {
  type: 'StorageState' | 'Heartbeat' | 'Lagged'
  cursor: string
  at: string
  kind?: 'SNAPSHOT' | 'STATUS' | 'PROGRESS'
  storage?: { id: string; status: string; lastSyncCount: number | null }
  run?: { id: string; status: string; attempt: number; counters: { listed: number; created: number } } | null
}

/** The messages of `storageChanged` for a storage or project. */
export async function* storageEvents(
  app: Pick<TestApp, 'url' | 'token' | 'subscribe'>,
  transport: Transport,
  variables: { storageId?: string; projectId?: string; after?: string },
): AsyncGenerator<SeenEvent> {
  const stream = subscribe(
    app,
    transport,
    `subscription ($storageId: ID, $projectId: ID, $after: String) {
      storageChanged(storageId: $storageId, projectId: $projectId, after: $after) { type: __typename cursor at
        ... on StorageState { kind storage { id status ... on ImportStorage { lastSyncCount } }
          run { id status attempt counters { listed created } } } } }`,
    variables,
  )
  for await (const { storageChanged } of stream) yield storageChanged
}

const ended = ['COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED', 'CANCELED']

/** Reads on to the end of a run and closes the stream. */
export async function untilEnded(stream: AsyncGenerator<SeenEvent>): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = []
  for await (const event of stream) {
    seen.push(event)
    if (event.kind !== 'SNAPSHOT' && ended.includes(event.run?.status ?? '')) break
  }
  return seen
}

/** The statuses of a run that were told, each as often as it was told. */
export function statusesOf(events: SeenEvent[]): (string | undefined)[] {
  return events.filter(({ kind }) => kind === 'STATUS').map(({ run }) => run?.status)
}
