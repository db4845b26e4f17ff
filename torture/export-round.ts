import { setTimeout as sleep } from 'node:timers/promises'
import { annotate, createTasks, deleteAnnotations, updateAnnotation } from '@sluice/testkit/annotate.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createTarget, objectsIn, startExport } from '@sluice/testkit/exports.ts'
import { type Front, type S3Request, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import pg from 'pg'
import { createRandom, type Random } from './random.ts'
import type { Stage } from './stage.ts'
import { createWorkers, type Workers } from './workers.ts'

/** What came of a round of exports. */
interface ExportVerdict {
  seed: number
  /** How many workers were killed. */
  kills: number
  /** What is not as it should be; empty = all is well. */
  differences: string[]
  seconds: number
}

const tasks = 60
const kills = 3
const settleMs = 90_000

/**
 * Plays a round that the seed decides: an export of everything and automatic exports of what is saved and deleted meanwhile,
 * by two workers, of which the one that writes is killed three times, some milliseconds after a request of its own. When all is
 * quiet, every annotation must be in the bucket as it is now, once, and nothing else, and the links must say where.
 */
export async function playExportRound(stage: Stage, seed: number): Promise<ExportVerdict> {
  const begun = performance.now()
  const random = createRandom(seed)
  const exportFormat = random.pick(['ANNOTATION', 'TASK'] as const)
  const bucket = `export-${seed}`
  const database = await stage.createDatabase()
  const moments = Array.from({ length: kills }, () => ({
    after: random.whole(1, 50),
    delayMs: random.pick([0, 0, 1, 3, 8, 20, 60]),
  }))
  const killer = createKiller(moments)
  const front = await startFront({ target: stage.s3.endpoint, onRequest: killer.see })
  const { user, password, host } = database.connection as { user: string; password: string; host: string }
  const workers = createWorkers({
    DATABASE_URL: `postgres:///${database.name}?host=${host}&user=${user}&password=${encodeURIComponent(password)}`,
    DATA_DIR: stage.folder,
    SECRET_KEY: 'torture-secret-key-torture-secret-key',
    STORAGE_IN_PROGRESS_TIMER: '0.2',
  })
  const reader = new pg.Client(database.connection)
  await reader.connect()
  try {
    await stage.s3.createBucket(bucket)
    await Promise.all([workers.start(), workers.start()])
    const { client } = workers.all[0]!
    const projectId = await createProject(client)
    const annotations = await annotate(
      client,
      await createTasks(
        client,
        projectId,
        Array.from({ length: tasks }, (_, n) => ({ n })),
      ),
    )
    const { storage } = await createTarget(client, {
      projectId,
      exportFormat,
      canDeleteObjects: true,
      location: {
        s3: { bucket, prefix: 'out', endpoint: front.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' },
      },
      skipCheck: true,
    })
    killer.arm(workers)
    const slow = slowWrites(front)
    const saving = saveAtRandom({ workers, random, ids: annotations.map(({ id }) => id) })
    await exportToEnd({ workers, reader, storageId: storage.id })
    await saving
    await slow.end()
    await killer.ended()
    await quiet({ workers, reader, storageId: storage.id })
    const differences = await differencesOf({ stage, reader, bucket, exportFormat })
    return {
      seed,
      kills: killer.kills,
      differences: [...differences, ...workers.deaths],
      seconds: (performance.now() - begun) / 1_000,
    }
  } finally {
    await workers.stop()
    await reader.end()
    await front.stop()
    await database.drop()
  }
}

/** Kills the worker that sent a request, so many milliseconds after so many of them since the last time. */
function createKiller(moments: { after: number; delayMs: number }[]) {
  let workers: Workers | undefined
  let seen = 0
  let count = 0
  const under: Promise<unknown>[] = []
  return {
    get kills() {
      return count
    },
    arm(all: Workers) {
      workers = all
    },
    see({ operation, headers }: Pick<S3Request, 'operation' | 'headers'>) {
      if (!workers || !/^(Put|Delete)Object$/.test(operation)) return
      const [next] = moments
      if (!next || ++seen < next.after) return
      const name = /app\/(worker-\d+)/.exec(String(headers['user-agent']))?.[1]
      const worker = workers.all.find((one) => one.name === name)
      if (!worker) return
      moments.shift()
      seen = 0
      count++
      const all = workers
      under.push(
        sleep(next.delayMs)
          .then(() => worker.end('SIGKILL'))
          .then(() => all.start()),
      )
    },
    ended: () => Promise.all(under),
  }
}

/** Holds writes up for a moment, again and again, so that saves come while they are on their way. */
function slowWrites(front: Front) {
  let ended = false
  const slowing = (async () => {
    while (!ended) {
      const held = front.fail({ hold: true, times: 8, match: ({ operation }) => operation === 'PutObject' })
      await sleep(100)
      held.release()
    }
  })()
  return {
    async end() {
      ended = true
      await slowing
    },
  }
}

/** Saves and deletes in bursts, by whichever worker lives; a save that meets a dead one may have happened or not. */
async function saveAtRandom({
  workers,
  random,
  ids,
}: {
  workers: Workers
  random: Random
  ids: string[]
}): Promise<void> {
  const left = [...ids]
  for (let burst = 0; burst < 30; burst++) {
    const client = workers.all[burst % Math.max(1, workers.all.length)]?.client
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        const id = random.pick(left)
        const result = [random.whole(0, 1e9)]
        const isLast = random.chance(0.05) && left.length > 30
        if (isLast) left.splice(left.indexOf(id), 1)
        if (!client) return
        await (isLast ? deleteAnnotations(client, [id]) : updateAnnotation(client, { id, result })).catch(() => {})
      }),
    )
    await sleep(random.whole(20, 200))
  }
}

interface Ending {
  workers: Workers
  reader: pg.Client
  storageId: string
}

/** Exports everything, again whenever a run could not finish. */
async function exportToEnd({ workers, reader, storageId }: Ending): Promise<void> {
  const until = performance.now() + settleMs
  while (performance.now() < until) {
    const { rows } = await reader.query('select status from sync_run order by id desc limit 1')
    const status = rows[0]?.status
    if (status === 'COMPLETED') return
    if (!status || status === 'FAILED' || status === 'COMPLETED_WITH_ERRORS')
      await anyone(workers, (client) => startExport(client, { storageId }))
    await sleep(50)
  }
  throw new Error('The export did not come to its end.')
}

/** Waits until nothing is left to be written, and looks whether the API says so. */
async function quiet({ workers, reader, storageId }: Ending): Promise<void> {
  const until = performance.now() + settleMs
  for (;;) {
    const { rows } = await reader.query('select count(*)::int as n, max(failure) as failure from outbox')
    if (rows[0].n === 0) break
    if (performance.now() > until) throw new Error(`${rows[0].n} exports stay pending: ${rows[0].failure}`)
    await sleep(50)
  }
  await anyone(workers, async (client) => {
    const { node } = await client.request(
      'query ($id: ID!) { node(id: $id) { ... on ExportStorage { pendingExports } } }',
      {
        id: storageId,
      },
    )
    if (node.pendingExports !== 0) throw new Error(`${node.pendingExports} exports are said to be pending.`)
  })
}

async function anyone(workers: Workers, ask: (client: GraphqlClient) => Promise<unknown>): Promise<void> {
  for (const { client } of [...workers.all]) {
    try {
      await ask(client)
      return
    } catch {}
  }
}

interface Looking {
  stage: Stage
  reader: pg.Client
  bucket: string
  exportFormat: 'ANNOTATION' | 'TASK'
}

async function differencesOf({ stage, reader, bucket, exportFormat }: Looking): Promise<string[]> {
  const objects = await objectsIn(stage.s3, bucket)
  const { rows } = await reader.query(
    `select a.id::int as id, a.task_id::int as task, a.result::text as result, l.key from annotation a
     left join export_link l on l.annotation_id = a.id order by a.id`,
  )
  const differences: string[] = []
  const expected = new Set<string>()
  for (const { id, task, result, key } of rows) {
    const wanted = exportFormat === 'TASK' ? `out/${task}.json` : `out/${id}.json`
    expected.add(wanted)
    if (key !== wanted) differences.push(`annotation ${id} is linked to ${key}, not to ${wanted}`)
    const object = objects[wanted]
    const written = exportFormat === 'TASK' ? object?.annotations.find((one: { id: number }) => one.id === id) : object
    if (JSON.stringify(written?.result) !== result) {
      differences.push(`annotation ${id} is ${result}, but ${JSON.stringify(written?.result)} in ${wanted}`)
    }
  }
  for (const [key, object] of Object.entries(objects)) {
    if (!expected.has(key)) differences.push(`${key} holds what is no more`)
    const inside = exportFormat === 'TASK' ? object.annotations.length : 1
    const there = rows.filter(({ key: linked }) => linked === key).length
    if (inside !== there) differences.push(`${key} holds ${inside} annotations, of which ${there} are linked`)
  }
  return differences
}
