import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import type { Tap } from '@sluice/testkit/tap.ts'
import type { ProviderName } from '../../src/providers/registry.ts'

const stops: (() => Promise<unknown>)[] = []

/** Leaves `stop` to `stopAll`. */
export const stopLater = (stop: () => Promise<unknown>) => void stops.push(stop)

/** Stops everything that a test has started, the latest first. */
export async function stopAll() {
  for (const stop of stops.splice(0).reverse()) await stop()
}

/** An app with a storage of this kind behind a tap, until `stopAll`. */
export async function start(kind: ProviderName, env: Record<string, string> = {}) {
  const world = await startKindWorld(kind, { READ_CONCURRENCY: '2', ...env })
  stopLater(() => world.stop())
  return { ...world, tap: world.tap! }
}

/** Number of task files that `connectTasks` writes by default. */
export const taskFiles = 24

const body = (n: number) => JSON.stringify({ n, pad: 'x'.repeat(20_000) })

/** Connects a storage with `count` task files of 20 kB, and imports nothing yet. */
export async function connectTasks(
  { app, location, put }: Pick<KindWorld, 'app' | 'location' | 'put'>,
  count = taskFiles,
) {
  for (let n = 0; n < count; n++) await put(`in/${String(n).padStart(3, '0')}.json`, body(n))
  const project = await createProject(app)
  const { storage } = await createStorage(app, {
    projectId: project,
    location,
    skipCheck: true,
    importMethod: 'TASKS',
    regexFilter: '.*json',
  })
  return { ...storage, project } as { id: string; databaseId: number; project: string }
}

/** Syncs, and takes the storage away once some of the files are read. */
export async function syncIntoOutage({ app, tap }: { app: KindWorld['app']; tap: Tap }, storageId: string) {
  // More than a listing has.
  const { held } = tap.holdAfter(70_000)
  const run = await startSync(app, storageId)
  await held
  tap.shut()
  return run
}

/** Fields of a run: its status, and how it waits. */
export const waitingFields = 'status waiting { since code nextRetryAt givesUpAt }'

/** The current attempt and `waitingFields` of a run. */
export async function stateOf(client: GraphqlClient, id: string) {
  const { node } = await client.request(
    `query ($id: ID!) { node(id: $id) { ... on SyncRun { attempt ${waitingFields} } } }`,
    { id },
  )
  return node
}

/** Resolves as soon as the run waits, with its `waiting`. */
export const waits = (client: GraphqlClient, run: string) =>
  until(async () => (await stateOf(client, run)).waiting, { what: 'the run to wait for its storage' })
