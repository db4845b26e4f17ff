import { setTimeout as sleep } from 'node:timers/promises'
import { annotate, createTasks, deleteAnnotations, updateAnnotation } from '@sluice/testkit/annotate.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createTarget, startExport } from '@sluice/testkit/exports.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { decodeId, globalIdOf } from '../../src/graphql/ids.ts'
import type { Random } from '../random.ts'
import type { Place, PlaceKind } from './place.ts'
import { playRun, type RunRow, type Scene, setPlaceBySql } from './scene.ts'
import { counterDifferences } from './state.ts'
import { countRun, type Played } from './verdict.ts'

const steps = 5
const changes = ['API', 'API', 'SQL', 'REFUSED', 'FLAG'] as const
type Change = (typeof changes)[number]

/**
 * An export storage gets another place at a random moment of a run, by the API or by SQL, while people save and delete
 * annotations, which are also exported automatically in some rounds. The last run must leave each annotation in the present place,
 * in its present state.
 */
export async function playExportPlace(
  scene: Scene,
  kind: PlaceKind,
  { random, name, killShare }: { random: Random; name: string; killShare: number },
): Promise<Played> {
  const { client } = scene.workers.all[0]!
  const places = [await scene.createPlace(kind, `${name}-a`), await scene.createPlace(kind, `${name}-b`)]
  const autoExport = random.chance(0.5)
  const exportFormat = random.pick(['ANNOTATION', 'TASK'] as const)
  const projectId = await createProject(client)
  const project = Number(decodeId(projectId).id)
  const tasks = await createTasks(
    client,
    projectId,
    Array.from({ length: random.whole(30, 150) }, (_, n) => ({ n })),
  )
  await annotate(client, tasks)
  const { storage } = await createTarget(client, {
    ...{ projectId, autoExport, exportFormat, canDeleteObjects: true, skipCheck: true },
    location: places[0]!.location(),
  })
  const played: Played = {
    settings: `${exportFormat}${autoExport ? ' auto' : ''}`,
    kills: 0,
    runs: 0,
    splits: 0,
    differences: [],
  }
  const now = { place: places[0]! }
  const links = (since: unknown = null) => countLinks(scene, storage.databaseId, since)
  for (let step = 0; step < steps; step++) {
    const change = random.pick(changes)
    const other = random.pick(places)
    const delayMs = random.whole(0, 250)
    const from = now.place
    const saves = random.whole(0, 6)
    const during = async (by: GraphqlClient) => {
      await sleep(delayMs)
      await makeChange(by, { scene, storage, now, change, other })
      await saveAtRandom(by, { scene, project, random, count: saves })
    }
    const { run, kills } = await playRun(scene, random, (by) => startExport(by, { storageId: storage.id }), {
      killShare,
      during,
    })
    countRun(played, { run, kills })
    const losesLinks = kind === 'S3' && from !== now.place && change !== 'SQL'
    const isExact = !autoExport && saves === 0 && !losesLinks && kills === 0 && exportFormat === 'ANNOTATION'
    const found = [
      ...runDifferences(run, change),
      ...(isExact ? counterDifferences(run, { exported: await links(run.started_at) }) : []),
    ]
    played.differences.push(...found.map((one) => `step ${step}, ${change} after ${delayMs} ms: ${one}`))
    if (found.length > 0) return played
  }
  await quiet(scene, storage.databaseId)
  const { run, kills } = await playRun(scene, random, (by) => startExport(by, { storageId: storage.id }), { killShare })
  countRun(played, { run, kills })
  await quiet(scene, storage.databaseId)
  const found = await endDifferences(scene, {
    run,
    project,
    storage: storage.databaseId,
    place: now.place,
    exportFormat,
  })
  played.differences.push(...found.map((one) => `last run: ${one}`))
  return played
}

/** Makes a change, and records which place the storage has now. */
async function makeChange(
  client: GraphqlClient,
  {
    scene,
    storage,
    now,
    change,
    other,
  }: { scene: Scene; storage: { id: string; databaseId: number }; now: { place: Place }; change: Change; other: Place },
): Promise<void> {
  const update = async (settings: Record<string, unknown>) => {
    const { updateExportStorage } = await client.request(
      `mutation ($input: UpdateExportStorageInput!) { updateExportStorage(input: $input) { __typename ... on Error { message } } }`,
      { input: { id: storage.id, skipCheck: true, ...settings } },
    )
    return updateExportStorage as { __typename: string; message?: string }
  }
  if (change === 'SQL') {
    await setPlaceBySql(scene, storage.databaseId, other)
    now.place = other
  } else if (change === 'FLAG') {
    await update({ canDeleteObjects: true })
  } else {
    const answer = await update({ location: other.location(), ...(change === 'API' && { cancelRunning: true }) })
    const isSaved = answer.__typename === 'UpdateExportStorageSuccess'
    if (isSaved) now.place = other
    else if (change === 'API') throw new Error(`The change was not saved: ${answer.message}`)
  }
}

async function saveAtRandom(
  client: GraphqlClient,
  { scene, project, random, count }: { scene: Scene; project: number; random: Random; count: number },
): Promise<void> {
  const { rows } = await scene.database.query(
    'select a.id::int, t.id::int as task from annotation a join task t on t.id = a.task_id where t.project_id = $1 order by a.id',
    [project],
  )
  for (let saves = count; saves > 0; saves--) {
    const { id, task } = random.pick(rows)
    const annotation = globalIdOf('Annotation', id)
    const kind = random.pick(['update', 'update', 'create', 'delete'])
    if (kind === 'update') await updateAnnotation(client, { id: annotation, result: [random.whole(0, 1e9)] })
    else if (kind === 'create') await annotate(client, [globalIdOf('Task', task)], [random.whole(0, 1e9)])
    else await deleteAnnotations(client, [annotation])
  }
}

function runDifferences({ status, failure }: RunRow, change: Change): string[] {
  const allowed: Record<Change, string[]> = {
    API: ['COMPLETED', 'CANCELED'],
    SQL: ['COMPLETED', 'FAILED'],
    REFUSED: ['COMPLETED'],
    FLAG: ['COMPLETED'],
  }
  if (allowed[change].includes(status) && (status !== 'FAILED' || failure?.includes('STORAGE_CHANGED'))) return []
  return [`the run is ${status}: ${failure}`]
}

/** Number of links of a storage, written since a time. */
async function countLinks({ database }: Scene, storage: number, since: unknown): Promise<number> {
  const { rows } = await database.query(
    'select count(*)::int as count from export_link where storage_id = $1 and ($2::timestamptz is null or updated_at >= $2)',
    [storage, since],
  )
  return rows[0].count
}

/** Waits until no export is pending. @throws Error after a minute */
async function quiet({ database }: Scene, storage: number): Promise<void> {
  for (const until = performance.now() + 60_000; performance.now() < until; await sleep(20)) {
    const { rows } = await database.query('select count(*)::int as count from outbox where storage_id = $1', [storage])
    if (rows[0].count === 0) return
  }
  throw new Error('Exports stay pending.')
}

/** What is not in the place as the database has it. Objects of deleted annotations may remain from before a change of the place. */
async function endDifferences(
  { database }: Scene,
  {
    run,
    project,
    storage,
    place,
    exportFormat,
  }: { run: RunRow; project: number; storage: number; place: Place; exportFormat: string },
): Promise<string[]> {
  const { rows } = await database.query(
    `select a.id::int, a.task_id::int as task, a.result::text as result, l.key from annotation a join task t on t.id = a.task_id
     left join export_link l on l.annotation_id = a.id and l.storage_id = $2 where t.project_id = $1 order by a.id`,
    [project, storage],
  )
  const objects = await place.texts()
  const differences = run.status === 'COMPLETED' ? [] : [`the run is ${run.status}: ${run.failure}`]
  for (const { id, task, result, key } of rows) {
    const wanted = `${place.base}${exportFormat === 'TASK' ? task : id}.json`
    if (key !== wanted) differences.push(`annotation ${id} is linked to ${key}, not to ${wanted}`)
    const object = JSON.parse(objects.get(wanted) ?? 'null')
    const written = exportFormat === 'TASK' ? object?.annotations.find((one: { id: number }) => one.id === id) : object
    const text = JSON.stringify(written?.result)
    if (text !== result.replaceAll(/\s/g, ''))
      differences.push(`annotation ${id} is ${result}, but ${text} in ${wanted}`)
  }
  const exported = exportFormat === 'TASK' ? new Set(rows.map(({ task }) => task)).size : rows.length
  return [
    ...differences.slice(0, 5),
    ...counterDifferences(run, { exported, selected: exported, skipped: 0, failed: 0 }),
  ]
}
