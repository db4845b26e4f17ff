import { startSync } from '@sluice/testkit/scenario.ts'
import { measure } from './measure.ts'
import type { ScaleStage } from './scale-stage.ts'
import { backendSeconds, deadRows, objectTables, type Relation, relationsOf } from './scale-tables.ts'
import type { StatementCost } from './statements.ts'
import { followToEnd, type Run } from './sync.ts'

/** The storage that grows, and its project. */
export interface Grown {
  project: string
  storage: string
  databaseId: number
}

/** What a sync took. */
export interface Phase {
  /** Objects that it was about, and all that were listed. */
  objects: number
  listed: number
  seconds: number
  walBytes: number
  /** Processor time of the database's backends, and of this process, which is server, worker and client. */
  backendSeconds: number
  processSeconds: number
  listCalls: number
  events: number
  eventBytes: number
  /** One look for what is known, of a page. */
  sift: StatementCost
  /** Writing of a page, foreign keys included. */
  write: StatementCost
  /** Of the sweep of what is missing: choosing keys, and all statements that change rows of theirs. */
  sweep: StatementCost
  flag: StatementCost
  deadLinks: number
}

/** What was found with so many objects in the table. */
export interface AtSize {
  size: number
  relations: Relation[]
  grow: Phase
  again: Phase
  missing: Phase
  back: Phase
  vacuumSeconds: number
  questions: Question[]
}

/** What the API does to answer. */
interface Question {
  name: string
  blocks: number
  ms: number
}

/** Lets the storage list the first `keys` keys, from behind its last one or from the beginning. */
export async function pointAt(stage: ScaleStage, { databaseId }: Grown, keys: number, mode: 'FULL' | 'NEW_ONLY') {
  await stage.db.query(
    `update storage set sync_mode = $2, updated_at = now(), location = jsonb_set(location, '{bucket}', to_jsonb($3::text))
     where id = $1`,
    [databaseId, mode, `keys-${keys}`],
  )
}

/** Syncs the storage, and tells what that took. `objectsOf` says what the run was about. */
export async function syncPhase(
  { client, db, statements }: ScaleStage,
  { storage }: Grown,
  objectsOf: (counters: Run['counters'] & { missing: number }) => number,
): Promise<Phase> {
  const lsn = async () => (await db.query(`select pg_current_wal_insert_lsn()::text as lsn`)).rows[0].lsn
  await statements.reset()
  const from = await lsn()
  const { rows: events } = await db.query('select coalesce(max(id), 0) as last from event')
  const sync = await measure(async () => {
    let run: Run | undefined
    const before = process.cpuUsage()
    const spent = await backendSeconds(db, async () => {
      run = await followToEnd(client, await startSync(client, storage))
    })
    const { user, system } = process.cpuUsage(before)
    return { run: run!, spent, own: (user + system) / 1e6 }
  })
  const { rows } = await db.query(
    `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8 as wal,
       (select count(*) from event where id > $2)::int as events,
       (select coalesce(sum(pg_column_size(e.*)), 0) from event e where id > $2)::float8 as bytes,
       (select missing from sync_run order by id desc limit 1)::float8 as missing`,
    [from, events[0].last],
  )
  const objects = objectsOf({ ...sync.value.run.counters, missing: rows[0].missing })
  return {
    objects,
    listed: sync.value.run.counters.listed,
    seconds: sync.seconds,
    walBytes: rows[0].wal,
    backendSeconds: sync.value.spent,
    processSeconds: sync.value.own,
    listCalls: sync.listCalls,
    events: rows[0].events,
    eventBytes: rows[0].bytes,
    sift: await statements.cost('%known as materialized%'),
    write: await statements.cost('%insert into import_link (storage_id, task_id, key, row_group%'),
    sweep: await statements.cost('delete from sync_key where run_id%'),
    flag: await statements.cost('update import_link set object_exists%'),
    deadLinks: await deadRows(db, 'import_link'),
  }
}

/** Grows the storage to `size` objects and looks at what everything costs there; `missing` of them go, and come back. */
export async function measureSize(
  stage: ScaleStage,
  grown: Grown,
  { size, missing }: { size: number; missing: number },
): Promise<AtSize> {
  await pointAt(stage, grown, size, 'NEW_ONLY')
  const grow = await syncPhase(stage, grown, ({ created }) => created)
  const relations = await relationsOf(stage.db, objectTables)
  await stage.db.query('vacuum analyze task')
  await stage.db.query('vacuum analyze import_link')
  await pointAt(stage, grown, size, 'FULL')
  const again = await syncPhase(stage, grown, ({ existed }) => existed)
  const questions = await askAll(stage, grown)
  await pointAt(stage, grown, size - missing, 'FULL')
  const gone = await syncPhase(stage, grown, (counters) => counters.missing)
  await pointAt(stage, grown, size, 'FULL')
  const back = await syncPhase(stage, grown, () => missing)
  const vacuum = await measure(() => stage.db.query('vacuum import_link'))
  return { size, relations, grow, again, missing: gone, back, vacuumSeconds: vacuum.seconds, questions }
}

const questions: Record<string, string> = {
  'tasks, newest 50': '... on Project { tasks(first: 50) { edges { node { id data } } } }',
  'tasks, oldest 50': '... on Project { tasks(last: 50) { edges { node { id data } } } }',
  'tasks, `totalCount`': '... on Project { tasks(first: 0) { totalCount } }',
  'links, newest 50': '... on ImportStorage { links(first: 50) { edges { node { id key } } } }',
  'links to what is gone (none is)':
    '... on ImportStorage { links(first: 50, objectExists: false) { edges { node { id } } } }',
  'links below a prefix, 10 of them':
    '... on ImportStorage { links(first: 50, keyPrefix: "photos/2026/0000001") { edges { node { id key } } } }',
  'links below a prefix, all of them':
    '... on ImportStorage { links(first: 50, keyPrefix: "photos/2026/") { edges { node { id key } } } }',
  'tasks of one object': '... on ImportStorage { tasksLinked(key: "photos/2026/00000001.jpg") }',
}

async function askAll(stage: ScaleStage, { project, storage }: Grown): Promise<Question[]> {
  const found: Question[] = []
  const ask = async (name: string, work: () => Promise<unknown>) => {
    // The first time pays for what is not in memory.
    await work()
    await stage.statements.reset()
    await work()
    const { blocks, ms } = await stage.statements.cost()
    found.push({ name, blocks, ms })
  }
  for (const [name, fields] of Object.entries(questions)) {
    const id = fields.startsWith('... on Project') ? project : storage
    await ask(name, () => stage.client.request(`query ($id: ID!) { node(id: $id) { ${fields} } }`, { id }))
  }
  await ask('what deleting the storage would do', () =>
    stage.client.request(`mutation ($id: ID!) { deleteStorage(id: $id, dryRun: true) { __typename } }`, {
      id: storage,
    }),
  )
  return found
}
