import { annotate } from '@sluice/testkit/annotate.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createProject, createStorage, startSync, updateStorage } from '@sluice/testkit/scenario.ts'
import { decodeId, globalIdOf } from '../../src/graphql/ids.ts'
import type { Random } from '../random.ts'
import { listDifferences } from './labels.ts'
import { type Entry, MoveModel } from './move-model.ts'
import { createObjects } from './moving-objects.ts'
import type { Place, PlaceKind } from './place.ts'
import { playRun, type RunRow, type Scene } from './scene.ts'
import { counterDifferences, readTasks, recount, type TaskState } from './state.ts'
import { countRun, type Played } from './verdict.ts'

const steps = 7

/**
 * Objects move between folders, disappear, return, have twins, and are labeled, also during a sync; the storage gets another
 * prefix, and `relocateLinks` follows moves. Each task must have the key that it has to, with its labels.
 */
export async function playMoves(
  scene: Scene,
  kind: PlaceKind,
  { random, name, killShare }: { random: Random; name: string; killShare: number },
): Promise<Played> {
  const { client } = scene.workers.all[0]!
  const settings = {
    missingPolicy: random.pick(['FLAG', 'DELETE_UNANNOTATED', 'KEEP'] as const),
    changedPolicy: random.pick(['IGNORE', 'UPDATE'] as const),
    detectMoves: random.chance(0.8),
  }
  const importMethod = random.pick(['FILES', 'TASKS'] as const)
  const place = await scene.createPlace(kind, name)
  const projectId = await createProject(client)
  const { storage } = await createStorage(client, {
    ...{ projectId, importMethod, ...settings, skipCheck: true, location: place.location() },
  })
  const project = Number(decodeId(projectId).id)
  const model = new MoveModel(settings)
  const objects = createObjects(place, model, { random, importMethod })
  const played: Played = {
    settings: `${importMethod} ${Object.values(settings).join(' ')}`,
    kills: 0,
    runs: 0,
    splits: 0,
    differences: [],
  }
  let prefix = ''
  let before: TaskState[] = []
  for (let step = 0; step < steps; step++) {
    const label = async (by: GraphqlClient, count: number) => {
      for (let left = before.length === 0 ? 0 : count; left > 0; left--) {
        const { id } = random.pick(before)
        const made = await annotate(by, [globalIdOf('Task', id)], [`label of ${id}`]).catch(() => undefined)
        if (made) model.labeled.add(id)
      }
    }
    const { client } = scene.workers.all[0]!
    await label(client, random.whole(0, 2))
    const relocation = step > 0 && random.chance(0.3) ? await objects.planRelocation() : undefined
    if (!relocation) await objects.edit()
    if (!relocation && step > 0 && random.chance(0.2)) {
      prefix = random.pick(['', 'a/', 'c/'])
      await updateStorage(client, storage.id, { location: place.location(prefix) })
    }
    before = await readTasks(scene.database, project)
    const start = (by: GraphqlClient) =>
      relocation ? startRelocation(by, storage.id, relocation) : startSync(by, storage.id)
    const during = relocation ? undefined : (by: GraphqlClient) => label(by, random.whole(0, 2))
    const { run, kills } = await playRun(scene, random, start, { killShare, ...(during && { during }) })
    countRun(played, { run, kills })
    const expected = relocation && model.relocate(relocation.from, relocation.to)
    const written = relocation ? 0 : model.sync(objects.listing(), place.base + prefix)
    const updated = importMethod === 'FILES' && settings.changedPolicy === 'UPDATE' ? written : 0
    const after = await readTasks(scene.database, project)
    const counted = recount(before, after, storage.databaseId)
    const wanted = expected ?? { ...counted, updated, failed: 0 }
    const found = [
      ...statusDifferences(run, wanted.failed),
      ...modelDifferences(model, after, { place, importMethod }),
      ...counterDifferences(run, wanted),
      ...(expected ? counterDifferences(counted, { moved: expected.moved, deleted: expected.deleted }) : []),
    ]
    const what = relocation ? `relocation ${relocation.from} to ${relocation.to}` : `sync of ${prefix || 'all'}`
    played.differences.push(...found.map((difference) => `step ${step}, ${what}: ${difference}`))
    if (found.length > 0) break
    before = after
  }
  return played
}

async function startRelocation(client: GraphqlClient, storageId: string, { from, to }: { from: string; to: string }) {
  const { relocateLinks } = await client.request(
    `mutation ($input: RelocateLinksInput!) { relocateLinks(input: $input) {
      ... on RelocateLinksSuccess { run { id } } ... on Error { message } } }`,
    { input: { storageId, from, to } },
  )
  if (!relocateLinks.run) throw new Error(`The run was not queued: ${relocateLinks.message}`)
  return relocateLinks.run.id as string
}

function statusDifferences({ status, failure, issues }: RunRow, failed: number): string[] {
  const wanted = failed > 0 ? 'COMPLETED_WITH_ERRORS' : 'COMPLETED'
  if (status === wanted && issues.length === failed) return []
  return [`the run is ${status}, not ${wanted}: ${failure} ${JSON.stringify(issues)}`]
}

/** Differences between the tasks and the model, in words. Gives new tasks of the model their ids. */
function modelDifferences(
  model: MoveModel,
  tasks: TaskState[],
  { place, importMethod }: { place: Place; importMethod: 'FILES' | 'TASKS' },
): string[] {
  const known = new Set([...model.entries.values()].flatMap((entry: Entry) => entry.tasks.map(({ id }) => id)))
  for (const { id, links } of tasks) {
    const [link] = links
    const task = link && model.entries.get(link.key)?.tasks.find(({ row }) => row === Math.max(0, link.row))
    if (task && task.id === null && !known.has(id)) task.id = id
  }
  const wanted = [...model.entries].flatMap(([key, { tasks: own, exists }]) =>
    own.map(({ id, row }) => {
      const uri = importMethod === 'FILES' ? place.uri(key) : ''
      return `task ${id}: ${key} ${row} ${exists ? 'there' : 'missing'} ${id !== null && model.labeled.has(id) ? 'labeled' : ''} ${uri}`
    }),
  )
  const found = tasks.map(({ id, data, links: [link], labels }) => {
    const own = labels.every(({ name }) => name === `label of ${id}`) ? 'labeled' : 'with labels of another task'
    const uri = importMethod === 'FILES' ? data.file : ''
    return `task ${id}: ${link?.key} ${Math.max(0, link?.row ?? 0)} ${link?.objectExists ? 'there' : 'missing'} ${labels.length > 0 ? own : ''} ${uri}`
  })
  return listDifferences(wanted, found)
}
