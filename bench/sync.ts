import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import type { Stage } from './stage.ts'

/** A finished run, as the API tells it. */
export interface Run {
  status: string
  failure: string | null
  queuedAt: string
  startedAt: string
  counters: { listed: number; created: number; existed: number; failed: number }
}

/** Connects the bucket to a new project, so that all of its objects are new to it. Global id of the storage. */
export async function connectBucket(
  { client, s3 }: Pick<Stage, 'client'> & { s3: Pick<Stage['s3'], 'endpoint'> },
  bucket: string,
  importMethod: 'FILES' | 'TASKS',
): Promise<string> {
  const projectId = await createProject(client, `Bench of ${bucket}`)
  const { storage, message } = await createStorage(client, {
    projectId,
    importMethod,
    location: { s3: { bucket, endpoint: s3.endpoint, accessKeyId: 'bench', secretAccessKey: 'bench' } },
  })
  if (!storage) throw new Error(`${bucket} could not be connected: ${message}`)
  return storage.id
}

/** Asks for a sync through the API, as a client does, and follows it to its last state. */
export async function syncToEnd(client: GraphqlClient, storageId: string): Promise<Run> {
  return followToEnd(client, await startSync(client, storageId))
}

/** Follows a run to its last state. @throws Error unless it is COMPLETED */
export async function followToEnd(client: GraphqlClient, runId: string): Promise<Run> {
  const states = client.subscribe(
    `subscription ($id: ID!) { syncRunChanged(runId: $id) {
      status failure queuedAt startedAt counters { listed created existed failed } } }`,
    { id: runId },
  )
  let run: Run | undefined
  for await (const { syncRunChanged } of states) run = syncRunChanged
  if (run?.status !== 'COMPLETED') throw new Error(`A sync ended with ${run?.status}: ${run?.failure}`)
  return run
}

/** Fails the benchmark when a run did not do what is measured. */
export function expectCounters(run: Run, expected: Partial<Run['counters']>): void {
  for (const [name, value] of Object.entries(expected)) {
    const is = run.counters[name as keyof Run['counters']]
    if (is !== value) throw new Error(`A sync has ${name} = ${is}, not ${value}: nothing that it took means anything.`)
  }
}
