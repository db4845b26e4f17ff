import { setTimeout as sleep } from 'node:timers/promises'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, finished, startSync } from '@sluice/testkit/scenario.ts'
import pg from 'pg'
import { acts, type Victims } from './acts.ts'
import { startWatch } from './checkpoints.ts'
import { startDatabaseProxy } from './database-proxy.ts'
import { differencesOf } from './differences.ts'
import { Moments } from './moments.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { Fault, Plan } from './plan.ts'
import type { Stage } from './stage.ts'
import { createWitness } from './witness.ts'
import { createWorkers } from './workers.ts'

/** What came of a round. */
export interface Verdict {
  plan: Plan
  /** Faults whose moment came before the run had ended. */
  injected: Fault[]
  /** Syncs that the user had to start after the first one. */
  restarts: number
  /** How often a run was continued by another attempt. */
  takeovers: number
  differences: string[]
  listedAgain: string[]
  readAgain: string[]
  /** What the workers wrote. */
  log: string[]
  seconds: number
}

const secretKey = 'torture-secret-key-torture-secret-key'
const settleMs = 60_000
const maxRestarts = 3

const isActive = (status: string) => status === 'QUEUED' || status === 'IN_PROGRESS'

/**
 * Plays a round: an undisturbed sync, the same one under faults until it is complete, and what is different. Notes in
 * `injected` what it does.
 */
export async function playRound(stage: Stage, plan: Plan, injected: Fault[]): Promise<Verdict> {
  const begun = performance.now()
  const { contents } = plan
  const bucket = `torture-${plan.seed}`
  const known = contents.objects.slice(0, plan.known)
  const database = await stage.createDatabase()
  const moments = new Moments()
  const watch = startWatch(database.connection, moments)
  // What a run before has committed binds the present one no more.
  let firstRun = 0
  const witness = createWitness(() => (watch.state && watch.state.id >= firstRun ? watch.state.done : []))
  const front = await startFront({
    target: stage.s3.endpoint,
    maxKeys: contents.maxKeys,
    onRequest(request) {
      witness.see(request)
      if (request.operation === 'ListObjectsV2') moments.happens('list')
      if (request.operation === 'GetObject') moments.happens('get')
    },
  })
  const proxy = await startDatabaseProxy(database.socket, moments)
  const { user, password } = database.connection as { user: string; password: string }
  const workers = createWorkers({
    DATABASE_URL: `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${proxy.port}/${database.name}`,
    DATA_DIR: stage.folder,
    SECRET_KEY: secretKey,
    STORAGE_IN_PROGRESS_TIMER: '0.4',
    READ_CONCURRENCY: String(plan.readConcurrency),
  })
  const victims: Victims = { workers, witness, watch, proxy, front, database: database.connection }
  try {
    await stage.s3.createBucket(bucket)
    await stage.s3.fill(bucket, known)
    const [calm] = await Promise.all([
      connectStorage(stage.calm.client, { bucket, endpoint: front.endpoint, ...contents }),
      ...Array.from({ length: plan.workers }, () => workers.start()),
    ])
    const tortured = await connectStorage(workers.all[0]!.client, { bucket, endpoint: front.endpoint, ...contents })
    if (plan.known > 0) {
      for (const { client, id } of [calm, tortured]) await finished(client, await startSync(client, id))
    }
    await stage.s3.fill(bucket, contents.objects.slice(plan.known))
    await finished(calm.client, await startSync(calm.client, calm.id))
    const expected = await readOutcome(stage.calm.database, calm.databaseId)

    firstRun = ((await watch.look())?.id ?? 0) + 1
    await startSync(tortured.client, tortured.id)
    const faults = injectAll(victims, moments, { faults: plan.faults, injected })
    let restarts = 0
    let outcome: Outcome
    for (;;) {
      const run = await watch.until(({ id, status }) => id >= firstRun && !isActive(status), settleMs)
      await faults.end()
      outcome = await readOutcome(database.connection, tortured.databaseId)
      const last = outcome.runs.at(-1)!
      const isComplete = last.status !== 'FAILED' && !last.issues.some(({ retryable }) => retryable)
      if (isComplete || restarts === maxRestarts) break
      firstRun = run.id + 1
      restarts++
      await startAnyhow(victims, tortured.id)
    }
    const before = plan.known > 0 ? 1 : 0
    const mayFail = injected.some(({ act }) => acts[act].mayFail) || outcome.runs.some(({ attempt }) => attempt > 2)
    const failures = outcome.runs.flatMap(({ failure }) => failure ?? [])
    return {
      plan,
      injected,
      restarts,
      takeovers: outcome.runs.slice(before).reduce((sum, { attempt }) => sum + attempt - 1, 0),
      differences: [
        ...differencesOf(expected, outcome, before),
        ...(restarts > 0 && !mayFail ? [`the user had to sync again, though no fault calls for it: ${failures}`] : []),
        ...workers.deaths,
      ],
      listedAgain: witness.listedAgain,
      readAgain: witness.readAgain,
      log: workers.log,
      seconds: (performance.now() - begun) / 1_000,
    }
  } finally {
    await workers.stop()
    await watch.stop()
    await Promise.all([proxy.stop(), front.stop()])
    await database.drop()
  }
}

async function connectStorage(
  client: GraphqlClient,
  { bucket, endpoint, importMethod }: { bucket: string; endpoint: string; importMethod: string },
) {
  const projectId = await createProject(client, bucket)
  const location = { s3: { bucket, endpoint, accessKeyId: 'key', secretAccessKey: 'secret' } }
  const { storage, ...error } = await createStorage(client, { projectId, importMethod, location, skipCheck: true })
  if (!storage) throw new Error(`The storage was not created: ${JSON.stringify(error)}`)
  return { client, id: storage.id as string, databaseId: storage.databaseId as number }
}

/** Injects one fault after the other. `end` calls off what has not begun, and resolves when all that has begun is over. */
function injectAll(
  victims: Victims,
  moments: Moments,
  { faults, injected }: { faults: Fault[]; injected: Fault[] },
): { end(): Promise<void> } {
  let over = false
  let callOff = () => {}
  const all = (async () => {
    for (const fault of faults) {
      if (over) return
      await new Promise<void>((resolve, reject) => {
        const cancel = moments.at(fault.moment, () => {
          injected.push(fault)
          acts[fault.act].perform(victims, fault.forMs).then(resolve, reject)
        })
        callOff = () => {
          cancel()
          if (!injected.includes(fault)) resolve()
        }
      })
    }
  })()
  all.catch(() => {})
  return {
    async end() {
      over = true
      callOff()
      await all
    },
  }
}

/** Asks a worker that lives to sync, until one answers: the user tries again, too. */
async function startAnyhow({ workers }: Victims, storage: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await startSync(workers.all[0]!.client, storage)
      return
    } catch (error) {
      if (tries === 50) throw error
      await sleep(100)
    }
  }
}

async function readOutcome(connection: pg.ClientConfig, storage: number): Promise<Outcome> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client(connection)
    client.on('error', () => {})
    try {
      await client.connect()
      return await outcomeOf(client, storage)
    } catch (error) {
      if (tries === 50) throw error
      await sleep(100)
    } finally {
      await client.end().catch(() => {})
    }
  }
}
