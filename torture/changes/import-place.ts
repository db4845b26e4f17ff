import { setTimeout as sleep } from 'node:timers/promises'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createProject, createStorage, startSync, updateStorage } from '@sluice/testkit/scenario.ts'
import { decodeId } from '../../src/graphql/ids.ts'
import type { Random } from '../random.ts'
import type { Place, PlaceKind } from './place.ts'
import { playRun, type RunRow, type Scene, setPlaceBySql } from './scene.ts'
import { counterDifferences, readTasks, recount, type TaskState } from './state.ts'
import { countRun, type Played } from './verdict.ts'

const steps = 6
const changes = ['API', 'API', 'SQL', 'REFUSED', 'FILTER', 'TITLE'] as const
type Change = (typeof changes)[number]

/**
 * An import storage gets another place or filter at a random moment of a sync, by the API or by SQL. No task may be made from one place
 * after the change to another one was saved, and a sync without disturbance must then give each object of the place its task.
 */
export async function playImportPlace(
  scene: Scene,
  kind: PlaceKind,
  { random, name, killShare }: { random: Random; name: string; killShare: number },
): Promise<Played> {
  const { client } = scene.workers.all[0]!
  const places = [await scene.createPlace(kind, `${name}-a`), await scene.createPlace(kind, `${name}-b`)]
  const count = random.whole(80, 160)
  for (const [n, place] of places.entries()) {
    const keys = Array.from({ length: count }, (_, at) => `${place.base}${at % 2 === 0 ? 'x' : 'y'}/${at}`)
    for (const key of keys) await place.put(key, `${n} ${key}`)
  }
  const missingPolicy = random.pick(['KEEP', 'FLAG'] as const)
  const projectId = await createProject(client)
  const { storage } = await createStorage(client, {
    ...{ projectId, missingPolicy, skipCheck: true, location: places[0]!.location() },
  })
  const project = Number(decodeId(projectId).id)
  const played: Played = { settings: missingPolicy, kills: 0, runs: 0, splits: 0, differences: [] }
  const now = { place: places[0]!, include: null as string[] | null, isMixed: false }
  const tasks = () => readTasks(scene.database, project)
  for (let step = 0; step < steps; step++) {
    const before = await tasks()
    const change = random.pick(changes)
    const delayMs = random.whole(0, 400)
    const other = random.pick(places)
    const from = now.place
    let atChange: TaskState[] | undefined
    const during = async (by: GraphqlClient) => {
      await sleep(delayMs)
      await makeChange(by, { scene, storage, now, change, other })
      atChange = await tasks()
    }
    const { run, kills } = await playRun(scene, random, (by) => startSync(by, storage.id), { killShare, during })
    countRun(played, { run, kills })
    const after = await tasks()
    const found = [
      ...runDifferences(run, change),
      ...strayTasks({ before, atChange: atChange!, after }, { from, to: now.place }),
      ...counterDifferences(run, { created: recount(before, after, storage.databaseId).created }),
    ]
    played.differences.push(...found.map((one) => `step ${step}, ${change} after ${delayMs} ms: ${one}`))
    if (random.chance(0.4) || step === steps - 1) {
      const calm = await playRun(scene, random, (by) => startSync(by, storage.id), { killShare })
      countRun(played, calm)
      const found = await endDifferences(
        { run: calm.run, before: after, after: await tasks() },
        storage.databaseId,
        now,
      )
      played.differences.push(...found.map((one) => `step ${step}, undisturbed: ${one}`))
    }
    if (played.differences.length > 0) break
  }
  return played
}

interface Now {
  place: Place
  include: string[] | null
  /** Whether SQL has changed the place: then links to objects of the former place remain. */
  isMixed: boolean
}

/** Makes a change, and records what the storage has now. */
async function makeChange(
  client: GraphqlClient,
  {
    scene,
    storage,
    now,
    change,
    other,
  }: { scene: Scene; storage: { id: string; databaseId: number }; now: Now; change: Change; other: Place },
): Promise<void> {
  const update = (settings: Record<string, unknown>) => updateStorage(client, storage.id, settings)
  switch (change) {
    case 'API': {
      const { storage: saved, ...error } = await update({ location: other.location(), cancelRunning: true })
      if (!saved) throw new Error(`The change was not saved: ${JSON.stringify(error)}`)
      if (other !== now.place && other.kind === 'S3') now.isMixed = false
      now.place = other
      break
    }
    case 'SQL':
      await setPlaceBySql(scene, storage.databaseId, other)
      if (other !== now.place) now.isMixed = true
      now.place = other
      break
    case 'REFUSED': {
      const { storage: saved } = await update({ location: other.location() })
      if (saved && other !== now.place && other.kind === 'S3') now.isMixed = false
      if (saved) now.place = other
      break
    }
    case 'FILTER': {
      const include = now.include ? null : ['**/x/*', 'x/*']
      const { storage: saved } = await update({ filters: include && { include }, cancelRunning: true })
      if (saved) now.include = include
      break
    }
    case 'TITLE':
      await update({ title: 'x', cancelRunning: true })
  }
}

function runDifferences({ status, failure }: RunRow, change: Change): string[] {
  const allowed: Record<Change, string[]> = {
    API: ['COMPLETED', 'CANCELED'],
    SQL: ['COMPLETED', 'FAILED'],
    REFUSED: ['COMPLETED'],
    FILTER: ['COMPLETED', 'CANCELED'],
    TITLE: ['COMPLETED'],
  }
  if (allowed[change].includes(status) && (status !== 'FAILED' || failure?.includes('STORAGE_CHANGED'))) return []
  return [`the run is ${status}: ${failure}`]
}

/** New tasks of another place than the run began with, and such that came after the change to another place. */
function strayTasks(
  { before, atChange, after }: Record<'before' | 'atChange' | 'after', TaskState[]>,
  { from, to }: { from: Place; to: Place },
): string[] {
  const known = new Set(before.map(({ id }) => id))
  const atThatTime = new Set(atChange.map(({ id }) => id))
  const isOf = (place: Place, { data }: TaskState) => data.file.startsWith(place.uri(place.base))
  const fresh = after.filter(({ id }) => !known.has(id))
  const [ofFrom, ofTo] = [fresh.filter((task) => isOf(from, task)), fresh.filter((task) => isOf(to, task))]
  const late = from === to ? [] : ofFrom.filter(({ id }) => !atThatTime.has(id))
  return [
    ...(fresh.every((task) => isOf(from, task) || isOf(to, task)) ? [] : ['tasks are of a third place']),
    ...(from !== to && ofFrom.length > 0 && ofTo.length > 0
      ? [`${ofFrom.length} and ${ofTo.length} tasks of two places`]
      : []),
    ...(late.length > 0
      ? [`${late.length} tasks of the former place after the change, such as ${late[0]!.data.file}`]
      : []),
  ]
}

/** After a sync that nothing disturbed: each object that the filter accepts has its task. */
function endDifferences(
  { run, before, after }: { run: RunRow; before: TaskState[]; after: TaskState[] },
  storage: number,
  { place, include, isMixed }: Now,
): string[] {
  const keys = [...place.objects.keys()].filter((key) => !include || key.includes('x/'))
  const linked = after.flatMap(({ data, links }) =>
    links.flatMap((link) => (link.storage === storage && link.objectExists ? [[link.key, data.file]] : [])),
  )
  const found = new Map(linked as [string, string][])
  const lacking = keys.filter((key) =>
    isMixed && place.kind === 'S3' ? !found.has(key) : found.get(key) !== place.uri(key),
  )
  return [
    ...(run.status === 'COMPLETED' ? [] : [`the run is ${run.status}: ${run.failure}`]),
    ...(lacking.length > 0 ? [`${lacking.length} of ${keys.length} objects have no task, such as ${lacking[0]}`] : []),
    ...(found.size < linked.length ? ['an object has two tasks'] : []),
    ...counterDifferences(run, recount(before, after, storage)),
  ]
}
