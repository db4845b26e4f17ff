import { setTimeout as sleep } from 'node:timers/promises'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { temporaryFolder } from '@sluice/testkit/launch.ts'
import { type Front, startFront } from '@sluice/testkit/s3-front.ts'
import { despiteDeadlocks } from '@sluice/testkit/sql.ts'
import pg from 'pg'
import { decodeId } from '../../src/graphql/ids.ts'
import type { Random } from '../random.ts'
import { type Stage, setStage } from '../stage.ts'
import { createWorkers, type Worker, type Workers } from '../workers.ts'
import { createBucketPlace, createFolderPlace, type Place, type PlaceKind } from './place.ts'

/** What scenarios use together: three workers of one database, S3 and a folder for local files. */
export interface Scene {
  workers: Workers
  database: pg.Pool
  /** Delays and refuses requests to S3. */
  front: Front
  createPlace(kind: PlaceKind, name: string): Promise<Place>
  stop(): Promise<void>
}

/** Some keys of a page, so that a bucket of a few hundred objects is split between workers. */
const keysOfPage = 4
const workerCount = 3

/** Starts it all. */
export async function setScene(): Promise<Scene> {
  const stage: Stage = await setStage()
  const created = await stage.createDatabase()
  const front = await startFront({ target: stage.s3.endpoint, maxKeys: keysOfPage })
  front.fail({ match: ({ operation }) => operation === 'ListObjectsV2', delayMs: 10, times: Infinity })
  const files = temporaryFolder('sluice-torture-files-')
  const root = files.path
  const { user, password, host } = created.connection as { user: string; password: string; host: string }
  const workers = createWorkers({
    DATABASE_URL: `postgres:///${created.name}?host=${host}&user=${user}&password=${encodeURIComponent(password)}`,
    DATA_DIR: stage.folder,
    LOCAL_FILES_ROOT: root,
    SECRET_KEY: 'torture-secret-key-torture-secret-key',
    STORAGE_IN_PROGRESS_TIMER: '0.2',
    ASSIST_AFTER: '0.05',
  })
  const database = new pg.Pool(created.connection)
  const stop = async () => {
    await workers.stop()
    await database.end()
    await created.drop()
    await front.stop()
    await stage.stop()
    files.remove()
  }
  try {
    await Promise.all(Array.from({ length: workerCount }, () => workers.start()))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    workers,
    database,
    front,
    createPlace: async (kind, name) =>
      kind === 'S3' ? createBucketPlace(stage.s3, name, front.endpoint) : createFolderPlace(root, name),
    stop,
  }
}

/** A run as the database has it. */
export interface RunRow extends Record<string, unknown> {
  /** Number of ranges that other workers took from the one that led an import. */
  splits: number
  status: string
  failure: string | null
  issues: { code: string; key: string | null }[]
}

/** Waits for the end of a run. @throws Error after a minute */
export async function ended(database: pg.Pool, globalId: string): Promise<RunRow> {
  const { id } = decodeId(globalId)
  for (const until = performance.now() + 60_000; performance.now() < until; await sleep(10)) {
    const { rows } = await database.query(
      `select r.*, coalesce((select json_agg(json_build_object('code', i.code, 'key', i.key)) from sync_issue i where i.run_id = r.id), '[]') as issues,
         (select greatest(count(*) - 1, 0)::int from sync_shard s where s.run_id = r.id) as splits
       from sync_run r where r.id = $1`,
      [id],
    )
    if (rows.length > 0 && !['QUEUED', 'IN_PROGRESS'].includes(rows[0].status)) return rows[0]
  }
  throw new Error(`The run ${id} did not end.`)
}

/** Workers that nobody kills in this step, and one that may die. */
export interface Cast {
  client: GraphqlClient
  /** Kills the other worker after `delayMs`, and starts a new one. Call it at most once. */
  kill(delayMs: number): Promise<void>
}

/** Chooses which worker is asked and which one may be killed. */
export function cast({ workers }: Scene, random: Random): Cast {
  const [first, second] = random.chance(0.5) ? [0, 1] : [2, 0]
  const victim: Worker = workers.all[second!]!
  return {
    client: workers.all[first!]!.client,
    async kill(delayMs) {
      await sleep(delayMs)
      await victim.end('SIGKILL')
      await workers.start()
    },
  }
}

/** What is done while a run is active. */
export interface Disturbance {
  /** The worker that may be killed is killed with this probability. */
  killShare: number
  /** Is called once the run is queued; its effects are the caller's. */
  during?: (client: GraphqlClient) => Promise<void>
}

/** Starts a run by one worker, disturbs it, and waits for its end. `kills` is 1 if a worker was killed. */
export async function playRun(
  scene: Scene,
  random: Random,
  start: (client: GraphqlClient) => Promise<string>,
  { killShare, during }: Disturbance,
): Promise<{ run: RunRow; kills: number }> {
  const { client, kill } = cast(scene, random)
  const isKill = random.chance(killShare)
  const delayMs = random.pick([0, 3, 8, 15, 30, 60, 120])
  const id = await start(client)
  const [run] = await Promise.all([ended(scene.database, id), isKill ? kill(delayMs) : undefined, during?.(client)])
  return { run, kills: isKill ? 1 : 0 }
}

/** Gives a storage another place by SQL, as another program could. */
export async function setPlaceBySql({ database }: Scene, storage: number, { stored }: Place): Promise<void> {
  await despiteDeadlocks(() =>
    database.query('update storage set location = location || $1 where id = $2', [stored, storage]),
  )
}
