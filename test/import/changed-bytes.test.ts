import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { createTarget, exportAll } from '@sluice/testkit/exports.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderName } from '../../src/providers/registry.ts'

const kinds: ProviderName[] = ['S3', 'GCS', 'AZURE_BLOB']
const always = 1_000
// More than is read in one piece.
const filler = 'x'.repeat(1_000)
const largeRows = 600
const large = (mark: string) =>
  Array.from({ length: largeRows }, (_, n) => JSON.stringify({ n, filler, ...(n === 580 && { mark }) })).join('\n')

describe.each(kinds)('a byte that changes in transit from or to %s', (kind) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(kind)
  })
  afterAll(() => world?.stop())

  async function connect(regexFilter: string) {
    const projectId = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{ projectId, location: world.location, skipCheck: true, importMethod: 'TASKS', regexFilter },
    })
    return storage as { id: string; databaseId: number }
  }

  const tasksOf = async ({ databaseId }: { databaseId: number }) =>
    query(
      world.app.databaseUrl,
      'select l.key, t.data from import_link l join task t on t.id = l.task_id where l.storage_id = $1 order by l.id',
      [databaseId],
    )

  it('makes an import read a small object again', async () => {
    await world.put('in/once.json', '{"word":"small-once-right"}')
    const changed = world.tap!.change('small-once-right', 'small-once-wrong', 1)
    const storage = await connect('.*once.json')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, failed: 0 },
    })
    expect(changed()).toBe(1)
    expect(await tasksOf(storage)).toMatchObject([{ data: { word: 'small-once-right' } }])
  })

  it('is an issue of a small object if it changes each time, and only the others are imported', async () => {
    await world.put('in/always-1.json', '{"word":"small-always-right"}')
    await world.put('in/always-2.json', '{"word":"another"}')
    const changed = world.tap!.change('small-always-right', 'small-always-wrong', always)
    const storage = await connect('.*always-.*json')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 1, failed: 1 },
      issues: [{ key: 'in/always-1.json', code: 'CHECKSUM_MISMATCH', retryable: true }],
    })
    expect(changed()).toBe(3)
    expect(await tasksOf(storage)).toMatchObject([{ data: { word: 'another' } }])
    // What was not right is imported once it is.
    world.tap!.change('-', '-', 0)
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, failed: 0 },
    })
  })

  it('makes an import read a large object again, of which nothing was imported before', async () => {
    await world.put('in/large-once.jsonl', large('large-once-right'))
    const changed = world.tap!.change('large-once-right', 'large-once-wrong', 1)
    const storage = await connect('.*large-once.jsonl')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: largeRows, failed: 0 },
    })
    expect(changed()).toBe(1)
    expect((await tasksOf(storage))[580]).toMatchObject({ data: { mark: 'large-once-right' } })
  })

  it('is an issue of a large object if it changes each time, and no row of it is imported', async () => {
    await world.put('in/large-always.jsonl', large('large-always-right'))
    const changed = world.tap!.change('large-always-right', 'large-always-wrong', always)
    const storage = await connect('.*large-always.jsonl')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 0, failed: 1 },
      issues: [{ key: 'in/large-always.jsonl', code: 'CHECKSUM_MISMATCH' }],
    })
    expect(changed()).toBe(3)
    expect(await tasksOf(storage)).toEqual([])
  })

  it('is no error for an object that is stored with gzip', async () => {
    await world.put('in/stored.gz', gzipSync('{"word":"packed"}'), 'gzip')
    const storage = await connect('.*stored.gz')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, failed: 0 },
    })
  })

  async function exportMark(mark: string) {
    const project = await createProject(world.app)
    const [annotation] = await annotate(world.app, await createTasks(world.app, project, [{ mark }]))
    const location = Object.fromEntries(
      Object.entries(world.location).map(([name, value]) => [name, { ...(value as object), prefix: `in/${mark}` }]),
    )
    const { storage } = await createTarget(world.app, { projectId: project, location, skipCheck: true })
    return { run: await exportAll(world.app, storage.id), key: `in/${mark}/${annotation!.databaseId}.json` }
  }

  it('makes an export write the object again', async () => {
    const changed = world.tap!.change('"export-once-right"', '"export-once-wrong"', 1)
    const { run, key } = await exportMark('export-once-right')
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { exported: 1, failed: 0 } })
    expect(changed()).toBe(1)
    expect(await (await world.get(key)).text()).toContain('"export-once-right"')
  })

  it('is an issue of an export if it changes each time', async () => {
    const changed = world.tap!.change('"export-always-right"', '"export-always-wrong"', always)
    const { run } = await exportMark('export-always-right')
    expect(run).toMatchObject({
      counters: { exported: 0, failed: 1 },
      issues: [{ code: 'CHECKSUM_MISMATCH' }],
    })
    expect(changed()).toBeGreaterThanOrEqual(3)
    world.tap!.change('-', '-', 0)
  })
})

it('a large object that waits for its checksum leaves no file', async () => {
  const world = await startKindWorld('S3')
  try {
    await world.put('in/large.jsonl', large('right'))
    const projectId = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{ projectId, location: world.location, skipCheck: true, importMethod: 'TASKS', regexFilter: '.*jsonl' },
    })
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: largeRows } })
    expect(readdirSync(join(world.app.dataDir, 'spool'))).toEqual([])
  } finally {
    await world.stop()
  }
})
