import { startSync } from '@sluice/testkit/scenario.ts'
import type { Stage } from './stage.ts'
import { connectBucket, followToEnd } from './sync.ts'

/** How fast syncs begin, in milliseconds, one value for each sync. */
export interface Latencies {
  /** From sending `syncStorage` to its answer, over HTTP. */
  answer: number[]
  /** From the commit's transaction that queued the run to the one that began it: `startedAt` - `queuedAt`. */
  start: number[]
}

/** Syncs a storage of one object `count` times, one after the other. */
export async function measureLatency(stage: Stage, count: number): Promise<Latencies> {
  const bucket = 'bench-tiny'
  await stage.s3.createBucket(bucket)
  await stage.s3.seed(bucket, { count: 1 })
  const storage = await connectBucket(stage, bucket, 'FILES')
  const latencies: Latencies = { answer: [], start: [] }
  for (let n = 0; n < count; n++) {
    const asked = performance.now()
    const runId = await startSync(stage.client, storage)
    latencies.answer.push(performance.now() - asked)
    const { startedAt, queuedAt } = await followToEnd(stage.client, runId)
    latencies.start.push(Date.parse(startedAt) - Date.parse(queuedAt))
  }
  return latencies
}
