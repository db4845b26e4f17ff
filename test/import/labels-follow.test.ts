import { annotate, deleteAnnotations, updateAnnotation } from '@sluice/testkit/annotate.ts'
import { target } from '@sluice/testkit/exports.ts'
import { finished, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionOf } from '../../src/database/open.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Label = { id?: number; result: unknown[] } & Record<string, unknown>
type Storage = Awaited<ReturnType<typeof connect>>

const label = (name: string, more: object = {}): Label => ({ result: [name], ...more })
const row = (annotations: Label[], predictions: Label[] = []) => ({
  id: 1,
  data: { text: 'a' },
  annotations,
  predictions,
})

async function connect(first: object, settings: Record<string, unknown> = {}, key = 'a.json') {
  const storage = await world.storage({
    ...{ importMethod: 'TASKS', changedPolicy: 'UPDATE' },
    objects: { [key]: JSON.stringify(first) },
    ...settings,
  })
  await sync(world.app, storage.id)
  const put = async (next: object) => {
    await world.s3.putMany(storage.bucket, [{ key, body: JSON.stringify(next) }])
    return sync(world.app, storage.id)
  }
  return { ...storage, put }
}

const labelsOf = async ({ project }: Pick<Storage, 'project'>) => {
  const [task] = await tasksOf(world.app, project)
  const names = (labels: { result: unknown }[]) => labels.map(({ result }) => (result as string[])[0])
  return { annotations: names(task!.annotations), predictions: names(task!.predictions) }
}

async function annotationIds({ project }: Storage): Promise<string[]> {
  const { project: found } = await world.app.request(
    `query ($id: ID!) { project(id: $id) { tasks { edges { node { annotations { id } } } } } }`,
    { id: project },
  )
  return found.tasks.edges.flatMap(({ node }: { node: { annotations: { id: string }[] } }) =>
    node.annotations.map(({ id }) => id),
  )
}

/** The same row in a file of its own, and as one row of an array. */
const shapes: [string, (one: object) => object][] = [
  ['one task', (one) => one],
  ['rows', (one) => [{ data: { text: 'other' } }, one]],
]

describe.each(shapes)('annotations in a file of %s', (_name, shape) => {
  const connectRow = (annotations: Label[], settings = {}) => connect(shape(row(annotations)), settings)

  it('that are corrected or added in the file are corrected or added here', async () => {
    const storage = await connectRow([label('cat', { id: 5 }), label('dog')])
    const first = await annotationIds(storage)
    expect(await storage.put(shape(row([label('lynx', { id: 5 }), label('wolf'), label('fox')])))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, updated: 1, missing: 0 },
    })
    const seen = (await tasksOf(world.app, storage.project)).flatMap(({ annotations }) => annotations)
    expect(seen.map(({ result }) => (result as string[])[0]).sort()).toEqual(['fox', 'lynx', 'wolf'])
    expect(await annotationIds(storage)).toEqual(expect.arrayContaining(first))
  })

  it.each([
    ['FLAG', ['dog', 'cat'], 'COMPLETED_WITH_ERRORS', 0, ['ANNOTATION_GONE']],
    ['DELETE_UNANNOTATED', ['cat'], 'COMPLETED', 1, []],
  ])(
    'that are removed from the file, with missingPolicy %s, leave %j',
    async (missingPolicy, left, status, updated, codes) => {
      const storage = await connectRow([label('cat', { id: 5 }), label('dog', { id: 6 })], { missingPolicy })
      const run = await storage.put(shape(row([label('cat', { id: 5 })])))
      expect(run).toMatchObject({ status, counters: { updated, missing: 0 } })
      expect(run.issues.map(({ code }: { code: string }) => code)).toEqual(codes)
      const names = (await tasksOf(world.app, storage.project)).flatMap(({ annotations }) =>
        annotations.map(({ result }) => (result as string[])[0]),
      )
      expect(names.sort()).toEqual([...left].sort())
      // It is reported once.
      expect(await storage.put(shape(row([label('cat', { id: 5 })], [label('p')])))).toMatchObject({
        status: 'COMPLETED',
      })
    },
  )
})

describe('labels of a file', () => {
  it('that a person changed here stay, and the difference is an issue once', async () => {
    const storage = await connect(row([label('cat', { id: 5 })]))
    const [id] = await annotationIds(storage)
    await updateAnnotation(world.app, { id, result: ['lion'] })
    // Another part of the file changes.
    expect(await storage.put({ ...row([label('cat', { id: 5 })]), meta: { a: 1 } })).toMatchObject({
      status: 'COMPLETED',
      counters: { updated: 1 },
    })
    expect(await storage.put(row([label('lynx', { id: 5 })]))).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      issues: [{ code: 'ANNOTATION_CONFLICT', key: 'a.json' }],
    })
    expect(await labelsOf(storage)).toEqual({ annotations: ['lion'], predictions: [] })
    expect(await storage.put({ ...row([label('lynx', { id: 5 })]), meta: { a: 2 } })).toMatchObject({
      status: 'COMPLETED',
    })
    // The file agrees with the person.
    expect(await storage.put(row([label('lion', { id: 5 })]))).toMatchObject({ status: 'COMPLETED' })
    expect(await storage.put(row([label('tiger', { id: 5 })]))).toMatchObject({ status: 'COMPLETED' })
    expect(await labelsOf(storage)).toEqual({ annotations: ['tiger'], predictions: [] })
  })

  it('without an id that a person changed here have no twin after another part of the row changed', async () => {
    const storage = await connect(row([label('cat'), label('dog')]))
    const [id] = await annotationIds(storage)
    await updateAnnotation(world.app, { id, result: ['lion'] })
    expect(await storage.put({ ...row([label('cat'), label('dog')]), meta: { a: 1 } })).toMatchObject({
      status: 'COMPLETED',
      counters: { updated: 1 },
    })
    expect((await labelsOf(storage)).annotations).toHaveLength(2)
    expect((await labelsOf(storage)).annotations).toContain('lion')
  })

  it('that a person deleted here do not return while the file has them unchanged', async () => {
    const storage = await connect(row([label('cat', { id: 5 }), label('dog', { id: 6 })]))
    const ids = await annotationIds(storage)
    await deleteAnnotations(world.app, ids)
    expect(
      await storage.put({ ...row([label('cat', { id: 5 }), label('dog', { id: 6 })]), meta: { a: 1 } }),
    ).toMatchObject({
      status: 'COMPLETED',
    })
    expect((await labelsOf(storage)).annotations).toEqual([])
    expect(await storage.put(row([label('lynx', { id: 5 }), label('fox')]))).toMatchObject({
      issues: [{ code: 'ANNOTATION_CONFLICT' }],
    })
    expect((await labelsOf(storage)).annotations).toEqual(['fox'])
  })

  it('of a person who labeled here are never touched', async () => {
    const storage = await connect({ data: { text: 'a' } }, { missingPolicy: 'DELETE_UNANNOTATED' })
    const [task] = await tasksOf(world.app, storage.project)
    await annotate(world.app, [task!.id], ['mine'])
    const annotated = { data: { text: 'a' }, annotations: [label('theirs')] }
    expect(await storage.put(annotated)).toMatchObject({ status: 'COMPLETED', counters: { updated: 1 } })
    expect(await storage.put({ data: { text: 'a' } })).toMatchObject({ status: 'COMPLETED', counters: { updated: 1 } })
    expect((await labelsOf(storage)).annotations).toEqual(['mine'])
  })

  it('that were imported by an earlier version follow the file if they are as in the file, and else count as changed here', async () => {
    const storage = await connect(row([label('cat', { id: 5 }), label('dog', { id: 6 })]))
    await query(
      world.app.databaseUrl,
      'update annotation set source_link = null, file_hash = null where result::text like $1',
      ['%'],
    )
    expect(await storage.put(row([label('cat', { id: 5 }), label('wolf', { id: 6 })]))).toMatchObject({
      issues: [{ code: 'ANNOTATION_CONFLICT' }],
    })
    expect(await storage.put(row([label('lynx', { id: 5 }), label('wolf', { id: 6 })]))).toMatchObject({
      status: 'COMPLETED',
    })
    expect((await labelsOf(storage)).annotations.sort()).toEqual(['dog', 'lynx'])
  })

  it('of a model are replaced by those of the file, also in a dry run, which writes nothing', async () => {
    const storage = await connect(row([], [label('old', { score: 0.1 }), label('older')]), {
      missingPolicy: 'DELETE_UNANNOTATED',
    })
    await world.s3.putMany(storage.bucket, [
      { key: 'a.json', body: JSON.stringify(row([], [label('new', { score: 0.2 })])) },
    ])
    const { syncStorage } = await world.app.request(
      `mutation ($id: ID!) { syncStorage(input: { storageId: $id, dryRun: true }) { ... on SyncStorageSuccess { run { id } } } }`,
      { id: storage.id },
    )
    expect(await finished(world.app, syncStorage.run.id)).toMatchObject({ counters: { updated: 1, created: 0 } })
    expect((await labelsOf(storage)).predictions).toEqual(['old', 'older'])
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { updated: 1 } })
    expect((await labelsOf(storage)).predictions).toEqual(['new'])
  })
})

it('a label can be deleted while a sync compares its file', async () => {
  const rows = (name: string) => row([label(name, { id: 5 }), label('dog', { id: 6 })])
  const storage = await connect(rows('cat'))
  await target(world, { project: storage.project, canDeleteObjects: true })
  const ids = await annotationIds(storage)
  const [holder, reader] = [1, 2].map(() => new pg.Client(connectionOf(world.app.databaseUrl)))
  await Promise.all([holder!.connect(), reader!.connect()])
  const waiting = async (text: string, seconds = 0) => {
    const { rows: found } = await reader!.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~ $1 and query_start < clock_timestamp() - make_interval(secs => $2)",
      [text, seconds],
    )
    return found.length
  }
  try {
    // The deletion has locked the labels, and waits for the export storage.
    await holder!.query("begin; select 1 from storage where direction = 'EXPORT' for update")
    const deleted = deleteAnnotations(world.app, ids)
    await until(() => waiting('insert into outbox'))
    const synced = storage.put(rows('lynx'))
    // A statement looks for a deadlock once, after a second; then only the deletion would find it.
    await until(() => waiting('from annotation a where a.task_id in', 1.5))
    await holder!.query('commit')
    expect(await deleted).toBe(2)
    expect(await synced).toMatchObject({ issues: [{ code: 'ANNOTATION_CONFLICT' }] })
    expect((await labelsOf(storage)).annotations).toEqual([])
  } finally {
    await Promise.all([holder!.end(), reader!.end()])
  }
})

it.each([1, 2])('a label that is saved while a sync deletes tasks without labels stays (%i rows)', async (rows) => {
  const one = (n: number) => ({ data: { n } })
  const storage = await connect(
    Array.from({ length: rows }, (_, n) => one(n)),
    { missingPolicy: 'DELETE_UNANNOTATED' },
  )
  const holder = new pg.Client(connectionOf(world.app.databaseUrl))
  await holder.connect()
  try {
    await holder.query('begin')
    await holder.query(
      `insert into annotation (task_id, result) select l.task_id, '["mine"]' from import_link l where l.storage_id = $1`,
      [storage.databaseId],
    )
    if (rows === 1) await fetch(`${world.s3.endpoint}/${storage.bucket}/a.json`, { method: 'DELETE' })
    const synced = rows === 1 ? sync(world.app, storage.id) : storage.put([one(5)])
    await until(async () => {
      const [waiting] = await query(
        world.app.databaseUrl,
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~ ' task '",
      )
      return waiting
    })
    await holder.query('commit')
    await synced
    expect((await tasksOf(world.app, storage.project)).flatMap(({ annotations }) => annotations)).toHaveLength(rows)
  } finally {
    await holder.end()
  }
})
