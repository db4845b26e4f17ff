import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StorageEntity } from '../../src/entities/storage.ts'
import { SyncRunEntity } from '../../src/entities/sync-run.ts'
import { assistImport, type Import, importStorage } from '../../src/import/import.ts'
import { emptyPageWrite } from '../../src/import/page-write.ts'
import {
  claimShard,
  openShards,
  type PageEnd,
  publishReads,
  reloadShard,
  ShardChanged,
  splitShard,
} from '../../src/import/shards.ts'
import { writePage } from '../../src/import/write-page.ts'
import type { ObjectInfo, Provider } from '../../src/providers/provider.ts'

const pageKeys = 10

/**
 * A bucket in memory, each object one task. Its pages of 10 keys, and every fifth read, take a random time: `delays` are used in
 * turn. `reads` gets the key of each read.
 */
function slowBucket(keys: string[], delays: number[], reads: string[] = []): Provider {
  let calls = 0
  const wait = (signal?: AbortSignal) => delay(delays[calls++ % delays.length], undefined, { signal })
  const object = (key: string): ObjectInfo => ({ key, size: 1, etag: 'e', lastModified: null })
  const firstAfter = (text: string) => {
    let [low, high] = [0, keys.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (keys[middle]! > text) high = middle
      else low = middle + 1
    }
    return low
  }
  const unused = () => Promise.reject(new Error('An import only lists and reads.'))
  return {
    ordered: true,
    keyCursor: true,
    check: unused,
    async list({ cursor, limit, signal }) {
      await wait(signal)
      const from = firstAfter(cursor ?? '')
      const page = keys.slice(from, from + Math.min(limit, pageKeys))
      return { objects: page.map(object), cursor: from + page.length < keys.length ? page.at(-1)! : null }
    },
    async read(key, { signal } = {}) {
      if (reads.push(key) % 5 === 0) await wait(signal)
      const body = Buffer.from('{"n":1}')
      const head = { size: body.length, etag: 'e', lastModified: null, contentType: null }
      return { body: Readable.from([body]), length: body.length, ...head }
    },
    head: unused,
    write: unused,
    remove: unused,
    close() {},
  }
}

describe('key ranges of an import that several workers list', () => {
  let world: World
  beforeAll(async () => {
    // No worker: the runs below belong to the test.
    world = await startWorld({ SLUICE_ROLES: 'api' })
  })
  afterAll(() => world?.stop())

  /** A run in progress, and what each worker needs to take part in it. */
  async function startRun(provider: Provider, importMethod = 'FILES'): Promise<Import> {
    const { databaseId } = await world.storage({ objects: {}, importMethod })
    const em = world.app.orm.em.fork()
    const [{ id }] = await query(
      world.app.databaseUrl,
      `insert into sync_run (storage_id, status, started_at, heartbeat_at, first_link)
       values ($1, 'IN_PROGRESS', now(), now(), coalesce((select max(id) from import_link), 0)) returning id`,
      [databaseId],
    )
    return {
      em,
      run: await em.findOneOrFail(SyncRunEntity, Number(id)),
      storage: await em.findOneOrFail(StorageEntity, databaseId),
      provider,
      readConcurrency: 4,
      listConcurrency: 2,
      // A leader without a range looks for one five times in this many seconds.
      heartbeatSeconds: 1,
      breaker: { call: (_calling, work) => work() },
      signal: new AbortController().signal,
    }
  }

  /** Lets one worker lead the run and the others assist, again and again until the leader is done. */
  async function importWith(workers: number, run: Import): Promise<void> {
    let isOver = false
    const leader = importStorage(run).finally(() => {
      isOver = true
    })
    const assist = async () => {
      // Each look at a run without anything to share costs a turn, so that this cannot spin.
      for (; !isOver; await delay(1)) await assistImport({ ...run, em: run.em.fork() })
    }
    await Promise.all([leader, ...Array.from({ length: workers - 1 }, assist)])
  }

  const rangesOf = (run: number) =>
    query(
      world.app.databaseUrl,
      `select number, after, until, done from sync_shard where run_id = $1 order by after nulls first`,
      [run],
    )

  it.each(['FILES', 'TASKS'])(
    'of %s are disjoint and cover the listing, and each key is counted once and read at most once, with 2 to 8 workers and random delays',
    async (importMethod) => {
      let splits = 0
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 2, max: 8 }),
          fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 3, maxLength: 50 }),
          fc.integer({ min: 500, max: 1_500 }),
          async (workers, delays, count) => {
            const keys = Array.from({ length: count }, (_, n) => `photos/${String(n).padStart(6, '0')}.jpg`)
            const reads: string[] = []
            const given = await startRun(slowBucket(keys, delays, reads), importMethod)
            await importWith(workers, given)
            const ranges = await rangesOf(given.run.id)
            splits += ranges.length - 1
            expect(ranges.map(({ after }) => after)).toEqual([null, ...ranges.slice(0, -1).map(({ until }) => until)])
            expect(ranges.at(-1)!.until).toBeNull()
            expect(ranges.every(({ done }) => done)).toBe(true)
            const [counters] = await query(
              world.app.databaseUrl,
              'select listed::int, created::int, existed::int, failed::int from sync_run where id = $1',
              [given.run.id],
            )
            expect(counters).toEqual({ listed: count, created: count, existed: 0, failed: 0 })
            expect(reads.length, 'reads').toBe(importMethod === 'TASKS' ? count : 0)
          },
        ),
        { numRuns: importMethod === 'TASKS' ? 10 : 20, seed: 20_261_124, endOnFailure: true },
      )
      expect(splits, 'ranges that were split, else nothing was tested').toBeGreaterThan(20)
    },
  )

  /** A range from the beginning to the end, held and listed up to `lastKey`. */
  async function heldRange(lastKey: string) {
    const { em, run, storage } = await startRun(slowBucket([], [0]))
    await openShards(em, run.id, null)
    await query(world.app.databaseUrl, 'update sync_shard set last_key = $2, cursor = $2 where run_id = $1', [
      run.id,
      lastKey,
    ])
    const range = await claimShard(em, run, { owner: 'first', staleSeconds: 60 })
    return { em, run, storage, range: range! }
  }

  it('never grow by a split: a key after the end of a range splits nothing', async () => {
    const { em, run, range } = await heldRange('c')
    const split = { owner: 'second', attempt: run.attempt }
    const upper = await splitShard(em, range, { ...split, at: 'm' })
    const lower = { ...range, until: 'm' }
    expect(await splitShard(em, lower, { ...split, at: 't' })).toBeUndefined()
    expect(await splitShard(em, lower, { ...split, at: 'm' })).toBeUndefined()
    expect(await splitShard(em, upper!, { ...split, at: 'f' })).toBeUndefined()
    expect(await rangesOf(run.id)).toMatchObject([
      { after: null, until: 'm' },
      { after: 'm', until: null },
    ])
  })

  it('get numbers of their own when several workers split at the same time', async () => {
    const { em, run, range } = await heldRange('c')
    const upper = await splitShard(em, range, { at: 'm', owner: 'second', attempt: run.attempt })
    await query(
      world.app.databaseUrl,
      `update sync_shard set last_key = 'n', cursor = 'n' where run_id = $1 and number = 1`,
      [run.id],
    )
    const lower = { ...range, until: 'm' }
    const splits = await Promise.all([
      splitShard(em.fork(), lower, { at: 'f', owner: 'third', attempt: run.attempt }),
      splitShard(em.fork(), upper!, { at: 't', owner: 'fourth', attempt: run.attempt }),
    ])
    expect(splits.map((split) => split?.number).toSorted()).toEqual([2, 3])
  })

  it('are not split before a key up to which a worker reads objects, until another worker claims the range', async () => {
    const { em, run, range } = await heldRange('c')
    const split = { owner: 'second', attempt: run.attempt }
    await publishReads(em, range, { isLast: false, key: 'p' })
    expect(await splitShard(em, range, { ...split, at: 'm' })).toBeUndefined()
    expect(await splitShard(em, range, { ...split, at: 'p' })).toBeUndefined()
    expect(await splitShard(em, range, { ...split, at: 'q' })).toMatchObject({ after: 'q', until: null, readsTo: null })
    await expect(publishReads(em, range, { isLast: false, key: 'r' })).rejects.toThrow(ShardChanged)
    await expect(publishReads(em, range, { isLast: true, key: null })).rejects.toThrow(ShardChanged)
    const lower = { ...range, until: 'q' }
    expect(await reloadShard(em, range)).toMatchObject({ until: 'q', readsTo: 'p' })
    await publishReads(em, range, { isLast: true, key: 'q' })
    expect(await splitShard(em, lower, { ...split, at: 'pp' })).toBeUndefined()
    const next = await claimShard(em, run, { owner: 'third', staleSeconds: -1 })
    expect(next).toMatchObject({ number: 0, cursor: 'c', readsTo: null })
    await expect(publishReads(em, range, { isLast: true, key: 'q' })).rejects.toThrow(ShardChanged)
    expect(await splitShard(em, lower, { ...split, at: 'm' })).toMatchObject({ after: 'm', until: 'q' })
  })

  it('without an end are not split while their last page is read', async () => {
    const { em, run, range } = await heldRange('c')
    await publishReads(em, range, { isLast: true, key: null })
    expect(await splitShard(em, range, { at: 'zz', owner: 'second', attempt: run.attempt })).toBeUndefined()
  })

  it('accept a page that a split leaves in its range, and refuse one that it cuts', async () => {
    const { em, run, storage, range } = await heldRange('c')
    await splitShard(em, range, { at: 'm', owner: 'second', attempt: run.attempt })
    const rules = { replaces: false, updatesRows: false, deletesGone: false, reportsChanges: false, rowKey: null }
    const target = { ...range, storage: storage.id, project: Number(storage.project), ...rules }
    const write = (end: PageEnd, cursor: string | null) =>
      writePage(em.fork(), target, {
        ...emptyPageWrite(),
        ...{ end, checkpoint: { cursor, lastKey: cursor ?? 'm', pages: 1 } },
      })
    await expect(write({ isLast: false, key: 'n' }, 'n')).rejects.toThrow(ShardChanged)
    await expect(write({ isLast: true, key: null }, null)).rejects.toThrow(ShardChanged)
    await write({ isLast: false, key: 'f' }, 'f')
    expect(await reloadShard(em, range)).toMatchObject({ until: 'm', cursor: 'f', lastKey: 'f' })
    await write({ isLast: true, key: 'm' }, null)
    expect(await rangesOf(run.id)).toMatchObject([{ done: true }, { done: false }])
  })
})
