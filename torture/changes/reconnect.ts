import { annotate } from '@sluice/testkit/annotate.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import { decodeId, globalIdOf } from '../../src/graphql/ids.ts'
import type { Random } from '../random.ts'
import { listDifferences } from './labels.ts'
import type { Place, PlaceKind } from './place.ts'
import { playRun, type RunRow, type Scene } from './scene.ts'
import { counterDifferences, readTasks, recount, type TaskState } from './state.ts'
import { countRun, type Played } from './verdict.ts'

const steps = 9
const prefixes = ['', 'a/', 'b/']

/** What a storage, deleted or not, has imported: the id of each task, by key and row. Null: the database has not given it one yet. */
type Links = Map<string, Map<number, number | null>>

interface Connected {
  id: string
  databaseId: number
  prefix: string
  recursive: boolean
  links: Links
}

/**
 * Storages are connected, canceled in the middle of a sync, deleted, and connected again with another prefix or depth, one beside
 * another. Each object must keep the tasks that it got first, with their labels, and `adoptableTasks` must be what is adopted.
 */
export async function playReconnect(
  scene: Scene,
  kind: PlaceKind,
  { random, name, killShare }: { random: Random; name: string; killShare: number },
): Promise<Played> {
  const importMethod = random.pick(['FILES', 'TASKS', 'TASKS'] as const)
  const place = await scene.createPlace(kind, name)
  const projectId = await createProject(scene.workers.all[0]!.client)
  const project = Number(decodeId(projectId).id)
  const objects = createObjects(place, { random, importMethod })
  const played: Played = { settings: importMethod, kills: 0, runs: 0, splits: 0, differences: [] }
  const attached: Connected[] = []
  /** Links of deleted storages, in the order of their ids. */
  const detached: { databaseId: number; links: Links }[] = []
  const labeled = new Set<number>()
  let before: TaskState[] = []

  const label = async (client: GraphqlClient, count: number) => {
    for (let left = before.length === 0 ? 0 : count; left > 0; left--) {
      const { id } = random.pick(before)
      await annotate(client, [globalIdOf('Task', id)], [`label of ${id}`])
      labeled.add(id)
    }
  }

  for (let step = 0; step < steps; step++) {
    const { client } = scene.workers.all[0]!
    await objects.edit()
    await label(client, random.whole(0, 2))
    for (const storage of [...attached]) {
      if (random.chance(0.4)) await disconnect(client, storage, { attached, detached })
    }
    await connect(client, { attached, place, random, settings: { projectId, importMethod } })
    if (attached.length === 0) continue
    const storage = random.pick(attached)
    before = await readTasks(scene.database, project)
    const listable = (key: string) => isListable(place, storage, key)
    const adoptable = countAdoptable(detached, listable)
    const told = await adoptableTasks(client, storage.id)
    const cancels = random.chance(0.2)
    const during = async (by: GraphqlClient) => {
      await label(by, random.whole(0, 2))
      if (cancels) await cancelRun(by, scene, storage.databaseId)
    }
    const { run, kills } = await playRun(scene, random, (by) => startSync(by, storage.id), { killShare, during })
    countRun(played, { run, kills })
    const after = await readTasks(scene.database, project)
    const isWhole = run.status !== 'CANCELED'
    if (isWhole) {
      adopt(detached, storage, listable)
      importAll(storage, place, { importMethod, listable })
    } else takeOver(storage, detached, after)
    const found = [
      ...(told === adoptable ? [] : [`adoptableTasks is ${told}, not ${adoptable}`]),
      ...(isWhole || cancels ? [] : [`the run is ${run.status}: ${run.failure}`]),
      ...(isWhole ? statusDifferences(run) : []),
      ...modelDifferences({ attached, detached, labeled }, after),
      ...counterDifferences(run, recount(before, after, storage.databaseId)),
    ]
    const what = `${storage.prefix || 'all'}${storage.recursive ? '' : ' (flat)'} ${run.status}`
    played.differences.push(...found.map((difference) => `step ${step}, ${what}: ${difference}`))
    if (found.length > 0) break
    before = after
  }
  return played
}

const statusDifferences = ({ status, failure, issues }: RunRow) =>
  status === 'COMPLETED' ? [] : [`the run is ${status}: ${failure} ${JSON.stringify(issues)}`]

/** Connects a storage with a random prefix, unless there is one. */
async function connect(
  client: GraphqlClient,
  { attached, place, random, settings }: { attached: Connected[]; place: Place; random: Random; settings: object },
): Promise<void> {
  const prefix = random.pick(prefixes)
  if (attached.some((one) => one.prefix === prefix)) return
  const recursive = random.chance(0.7)
  const { storage } = await createStorage(client, {
    ...{ ...settings, recursive, missingPolicy: 'FLAG', detectMoves: false },
    ...{ skipCheck: true, location: place.location(prefix) },
  })
  attached.push({ ...storage, prefix, recursive, links: new Map() })
}

async function disconnect(
  client: GraphqlClient,
  storage: Connected,
  { attached, detached }: { attached: Connected[]; detached: { databaseId: number; links: Links }[] },
): Promise<void> {
  await deleteStorage(client, storage.id)
  attached.splice(attached.indexOf(storage), 1)
  if (storage.links.size > 0) detached.push(storage)
  detached.sort((one, other) => one.databaseId - other.databaseId)
}

async function deleteStorage(client: GraphqlClient, id: string): Promise<void> {
  const { deleteStorage: answer } = await client.request(
    `mutation ($id: ID!) { deleteStorage(id: $id) { __typename ... on Error { message } } }`,
    { id },
  )
  if (answer.__typename !== 'DeleteStorageSuccess') throw new Error(`The storage was not deleted: ${answer.message}`)
}

async function adoptableTasks(client: GraphqlClient, id: string): Promise<number> {
  const { storage } = await client.request(
    'query ($id: ID!) { storage(id: $id) { ... on ImportStorage { adoptableTasks } } }',
    { id },
  )
  return storage.adoptableTasks
}

async function cancelRun(client: GraphqlClient, { database }: Scene, storage: number): Promise<void> {
  const { rows } = await database.query('select max(id)::int as id from sync_run where storage_id = $1', [storage])
  await client.request('mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }', {
    id: globalIdOf('SyncRun', rows[0].id),
  })
}

function isListable(place: Place, { prefix, recursive }: Connected, key: string): boolean {
  const folder = place.base + prefix
  return key.startsWith(folder) && (recursive || !key.slice(folder.length).includes('/'))
}

const countAdoptable = (detached: { links: Links }[], listable: (key: string) => boolean) =>
  new Set(
    detached.flatMap(({ links }) => [...links].flatMap(([key, rows]) => (listable(key) ? [...rows.values()] : []))),
  ).size

/** Gives the storage the links of deleted ones that it can list and does not have. */
function adopt(detached: { links: Links }[], storage: Connected, listable: (key: string) => boolean): void {
  for (const former of [...detached]) {
    for (const [key, rows] of [...former.links]) {
      if (!listable(key)) continue
      const own = storage.links.get(key) ?? new Map<number, number | null>()
      for (const [row, id] of [...rows]) {
        if (own.has(row)) continue
        own.set(row, id)
        rows.delete(row)
      }
      storage.links.set(key, own)
      if (rows.size === 0) former.links.delete(key)
    }
    if (former.links.size === 0) detached.splice(detached.indexOf(former), 1)
  }
}

/** Adds what the storage lists and does not have. */
function importAll(
  storage: Connected,
  place: Place,
  { importMethod, listable }: { importMethod: string; listable: (key: string) => boolean },
): void {
  for (const [key, { body }] of place.objects) {
    if (!listable(key)) continue
    const rows = storage.links.get(key) ?? new Map<number, number | null>()
    const count = importMethod === 'FILES' ? 1 : body.split('\n').length - 1
    for (let row = 0; row < count; row++) if (!rows.has(row)) rows.set(row, null)
    storage.links.set(key, rows)
  }
}

/** After a canceled run: the storage has what the database says. Each adopted link must come from a deleted storage. */
function takeOver(storage: Connected, detached: { links: Links }[], after: TaskState[]): void {
  for (const { id, links } of after) {
    for (const { storage: owner, key, row } of links) {
      if (owner !== storage.databaseId) continue
      const place = Math.max(0, row)
      const rows = storage.links.get(key) ?? new Map<number, number | null>()
      if (rows.has(place)) continue
      rows.set(place, id)
      storage.links.set(key, rows)
      for (const former of [...detached]) {
        const others = former.links.get(key)
        if (others?.get(place) === id) others.delete(place)
        if (others?.size === 0) former.links.delete(key)
        if (former.links.size === 0) detached.splice(detached.indexOf(former), 1)
      }
    }
  }
}

/** The objects of the scenario: never changed, so that each row has its place. */
function createObjects(place: Place, { random, importMethod }: { random: Random; importMethod: string }) {
  const bodies = new Map<string, string>()
  const bodyOf = (key: string) => {
    if (importMethod === 'FILES') return key
    return Array.from({ length: random.whole(1, 4) }, (_, row) => `{"n":"${key} ${row}"}\n`).join('')
  }
  return {
    async edit() {
      const count = place.objects.size > 0 ? random.whole(0, 5) : random.chance(0.2) ? 200 : random.whole(5, 30)
      for (let n = 0; n < count; n++) {
        const key = `${place.base}${random.pick(['', 'a/', 'b/', 'a/b/'])}${random.whole(1, 1e6)}.x`
        bodies.set(key, bodies.get(key) ?? bodyOf(key))
        await place.put(key, bodies.get(key)!)
      }
    },
  }
}

/** Differences between the tasks and the model, in words. Gives new tasks of the model their ids. */
function modelDifferences(
  { attached, detached, labeled }: { attached: Connected[]; detached: { links: Links }[]; labeled: Set<number> },
  tasks: TaskState[],
): string[] {
  const owner = new Map(attached.map((storage) => [storage.databaseId, storage]))
  for (const { id, links } of tasks) {
    for (const { storage, key, row } of links) {
      const rows = owner.get(storage)?.links.get(key)
      if (rows?.get(Math.max(0, row)) === null) rows.set(Math.max(0, row), id)
    }
  }
  const isLabeled = (id: number | null) => (id !== null && labeled.has(id) ? 'labeled' : '')
  const linesOf = (links: Links, name: string) =>
    [...links].flatMap(([key, rows]) =>
      [...rows].map(([row, id]) => `task ${id}: ${name && `${key} ${row}`} ${name} ${isLabeled(id)}`),
    )
  const wanted = [
    ...attached.flatMap(({ databaseId, links }) => linesOf(links, `storage ${databaseId}`)),
    ...detached.flatMap(({ links }) => linesOf(links, '')),
  ]
  const found = tasks.flatMap(({ id, links, labels }) => {
    const own = labels.every(({ name }) => name === `label of ${id}`) ? 'labeled' : 'with labels of another task'
    const words = labels.length > 0 ? own : ''
    if (links.length === 0) return [`task ${id}:   ${words}`]
    return links.map(({ storage, key, row }) => `task ${id}: ${key} ${Math.max(0, row)} storage ${storage} ${words}`)
  })
  return listDifferences(wanted, found)
}
