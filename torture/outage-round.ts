import { setTimeout as sleep } from 'node:timers/promises'
import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createTarget, startExport } from '@sluice/testkit/exports.ts'
import type { S3Server } from '@sluice/testkit/s3.ts'
import { type Front, type S3Request, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import { startTap, type Tap } from '@sluice/testkit/tap.ts'
import type pg from 'pg'
import { decodeId } from '../src/graphql/ids.ts'
import { createRandom } from './random.ts'

/** What a round does: the outages begin once so many requests have come. */
interface OutagePlan {
  seed: number
  kind: 'TASKS' | 'FILES' | 'EXPORT'
  outages: { after: number; seconds: number; as: 'REFUSED' | 500 | 503 }[]
}

export interface OutageVerdict {
  plan: OutagePlan
  /** Outages that met the run before it ended. */
  met: number
  /** How often another worker split a range of the import. */
  splits: number
  faults: string[]
  seconds: number
}

const kinds = ['TASKS', 'FILES', 'EXPORT'] as const
const lengths = [0.5, 2, 10, 60]
const counts = { TASKS: 1_500, FILES: 3_000, EXPORT: 600 }
/** Requests of a run, about. */
const requests = { TASKS: 1_500, FILES: 60, EXPORT: 600 }
const delayMs = { TASKS: 40, FILES: 50, EXPORT: 40 }
const keysOfPage = 50

/** The plan of a round; every kind of run meets outages of all lengths up to `longest` seconds. */
export function planOutages(seed: number, round: number, longest: number): OutagePlan {
  const random = createRandom(seed)
  const kind = kinds[round % kinds.length]!
  const allowed = lengths.filter((length) => length <= longest)
  const first = allowed[Math.floor(round / kinds.length) % allowed.length]!
  const others = Array.from({ length: random.whole(0, 2) }, () => random.pick(allowed.filter((one) => one <= 10)))
  const moments = [first, ...others].map(() => random.whole(3, Math.floor(requests[kind] * 0.9))).sort((a, b) => a - b)
  return {
    seed,
    kind,
    outages: [first, ...others].map((seconds, n) => ({
      ...{ after: moments[n]!, seconds },
      as: random.pick(['REFUSED', 'REFUSED', 500, 503] as const),
    })),
  }
}

interface Parts {
  s3: S3Server
  database: pg.Pool
  clients: GraphqlClient[]
}

/** Lets a run meet the outages of its plan, and looks whether it is as if there had been none. */
async function playOutages({ s3, database, clients }: Parts, plan: OutagePlan): Promise<OutageVerdict> {
  const begun = performance.now()
  const { kind } = plan
  const random = createRandom(plan.seed + 1)
  const bucket = `round-${plan.seed}`
  await s3.createBucket(bucket)
  const arrivals: { key: string; at: number }[] = []
  let seen = 0
  let onRequest = () => {}
  const operation = kind === 'EXPORT' ? 'PutObject' : kind === 'TASKS' ? 'GetObject' : 'ListObjectsV2'
  const isWork = (request: S3Request) => request.operation === operation
  const front = await startFront({
    target: s3.endpoint,
    // Small pages, so that a second process finds a range to split.
    maxKeys: keysOfPage,
    onRequest(request) {
      if (!isWork(request)) return
      if (kind !== 'FILES') arrivals.push({ key: request.key, at: Date.now() })
      seen++
      onRequest()
    },
  })
  const tap = await startTap(front.port)
  try {
    const client = random.pick(clients)
    const { storage, run } = await startRun(client, { s3, tap, bucket, plan })
    front.fail({ match: isWork, delayMs: delayMs[kind], times: Infinity })
    const number = Number(decodeId(run).id)
    const watch = watchRun(database, number)
    let met = 0
    for (const outage of plan.outages) {
      await Promise.race([
        new Promise<void>((resolve) => {
          onRequest = () => seen >= outage.after && resolve()
          onRequest()
        }),
        watch.ended,
      ])
      if (watch.isOver()) break
      met++
      await beAway({ front, tap }, outage)
    }
    const row = await watch.ended
    const faults = await faultsOf(database, { row, plan, storage, arrivals })
    const longest = Math.max(0, ...plan.outages.slice(0, met).map(({ seconds }) => seconds))
    if (longest >= 10 && !watch.hasWaited()) faults.push('the run did not tell that it waits')
    const { rows } = await database.query('select 1 from sync_shard where run_id = $1', [number])
    return { plan, met, splits: Math.max(0, rows.length - 1), faults, seconds: (performance.now() - begun) / 1_000 }
  } finally {
    await tap.stop()
    await front.stop()
  }
}

async function startRun(
  client: GraphqlClient,
  { s3, tap, bucket, plan: { kind } }: { s3: S3Server; tap: Tap; bucket: string; plan: OutagePlan },
): Promise<{ storage: number; run: string }> {
  const projectId = await createProject(client)
  const endpoint = `http://127.0.0.1:${tap.port}`
  const location = { s3: { bucket, prefix: 'in/', endpoint, accessKeyId: 'key', secretAccessKey: 'secret' } }
  const common = { projectId, location, skipCheck: true }
  if (kind === 'EXPORT') {
    for (let left = counts.EXPORT; left > 0; left -= 200) {
      await annotate(
        client,
        await createTasks(
          client,
          projectId,
          Array.from({ length: 200 }, (_, n) => ({ n })),
        ),
      )
    }
    const { storage } = await createTarget(client, common)
    return { storage: storage.databaseId, run: await startExport(client, { storageId: storage.id }) }
  }
  await s3.seed(bucket, { count: counts[kind], prefix: 'in/', suffix: '.json', body: '{"n":{n}}' })
  const { storage } = await createStorage(client, { ...common, importMethod: kind })
  return { storage: storage.databaseId, run: await startSync(client, storage.id) }
}

async function beAway({ front, tap }: { front: Front; tap: Tap }, { seconds, as }: OutagePlan['outages'][number]) {
  if (as === 'REFUSED') {
    tap.shut()
    await sleep(seconds * 1_000)
    return tap.reopen()
  }
  const code = as === 500 ? 'InternalError' : 'ServiceUnavailable'
  // Before the delays, which are an older fault.
  const away = front.failFirst({ status: as, code, times: Infinity })
  await sleep(seconds * 1_000)
  away.release()
}

function watchRun(database: pg.Pool, id: number) {
  let isOver = false
  let hasWaited = false
  const look = async () => {
    for (;;) {
      const { rows } = await database.query('select * from sync_run where id = $1', [id])
      hasWaited ||= rows[0].waiting !== null
      if (!['QUEUED', 'IN_PROGRESS'].includes(rows[0].status)) return rows[0]
      await sleep(50)
    }
  }
  const ended = look().finally(() => {
    isOver = true
  })
  return { ended, isOver: () => isOver, hasWaited: () => hasWaited }
}

/** What is wrong with a run that has ended, in words. */
async function faultsOf(
  database: pg.Pool,
  {
    row,
    plan: { kind },
    storage,
    arrivals,
  }: { row: Record<string, unknown>; plan: OutagePlan; storage: number; arrivals: { key: string; at: number }[] },
): Promise<string[]> {
  const faults: string[] = []
  const wanted = counts[kind]
  const done = Number(kind === 'EXPORT' ? row.exported : row.created)
  if (row.status !== 'COMPLETED') faults.push(`${row.status}: ${row.failure}`)
  if (row.attempt !== 1) faults.push(`attempt ${row.attempt}`)
  if (Number(row.failed) > 0) faults.push(`${row.failed} objects failed`)
  if (done !== wanted) faults.push(`${done} of ${wanted} done`)
  if (row.waiting !== null) faults.push('it waits, though it has ended')
  const table = kind === 'EXPORT' ? 'export_link' : 'import_link'
  const { rows: links } = await database.query(
    `select key, extract(epoch from created_at) * 1000 as at from ${table} where storage_id = $1`,
    [storage],
  )
  if (links.length !== wanted) faults.push(`${links.length} links for ${wanted} objects`)
  const writtenAt = new Map(links.map(({ key, at }) => [key, Number(at)]))
  const again = arrivals.filter(({ key, at }) => at > (writtenAt.get(key) ?? Infinity))
  if (again.length > 0) faults.push(`${again.length} objects requested again after they were written: ${again[0]!.key}`)
  return faults
}

/** Plays rounds, some at the same time, since they mostly wait. */
export async function playAll(
  parts: Parts,
  plans: OutagePlan[],
  { parallel, tell }: { parallel: number; tell: (verdict: OutageVerdict) => void },
): Promise<OutageVerdict[]> {
  const verdicts: OutageVerdict[] = []
  const rest = plans[Symbol.iterator]()
  const lane = async () => {
    for (const plan of rest) {
      const verdict = await playOutages(parts, plan)
      verdicts.push(verdict)
      tell(verdict)
    }
  }
  await Promise.all(Array.from({ length: parallel }, lane))
  return verdicts
}
