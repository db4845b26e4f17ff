import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { exportEnd, objectsOf, startExport, target } from '@sluice/testkit/exports.ts'
import { query, type Sent, until, watchStatements } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createByteBudget } from '../../src/export/byte-budget.ts'

const megabyte = 2 ** 20

describe('a byte budget', () => {
  it('grants what fits, in the order of the requests', async () => {
    const budget = createByteBudget(10)
    const entered: string[] = []
    const take = (name: string, bytes: number) => budget.reserve(bytes).then(() => entered.push(name))
    const all = [take('a', 4), take('b', 4), take('c', 4), take('d', 1)]
    await Promise.all(all.slice(0, 2))
    expect(entered).toEqual(['a', 'b'])
    budget.release(4)
    await Promise.all(all)
    expect(entered).toEqual(['a', 'b', 'c', 'd'])
  })

  it('grants a request above the limit only while nothing else is reserved', async () => {
    const budget = createByteBudget(10)
    await budget.reserve(1)
    let inside = false
    const large = budget.reserve(11).then(() => {
      inside = true
    })
    const next = budget.reserve(1)
    await Promise.resolve()
    expect(inside).toBe(false)
    budget.release(1)
    await large
    budget.release(11)
    await next
  })
})

describe('an export of large annotations', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ WRITE_CONCURRENCY: '32' })
  })
  afterAll(() => world?.stop())

  it.each(['ANNOTATION', 'TASK'])('reads at most 32 MiB ahead of the writes in %s format', async (exportFormat) => {
    const count = 20
    const { id, project, bucket } = await target(world, { exportFormat, autoExport: false })
    const tasks = await createTasks(
      world.app,
      project,
      Array.from({ length: count }, (_, n) => ({ n })),
    )
    const made = (await annotate(world.app, tasks)).map(({ databaseId }) => databaseId)
    // Compressed in the database to nearly nothing.
    await query(world.app.databaseUrl, `update annotation set result = to_json(repeat('x', $2)) where id = any($1)`, [
      made,
      4 * megabyte,
    ])
    const sent: Sent[] = []
    onTestFinished(watchStatements(sent))
    const read = () =>
      sent
        .filter(({ text }) => /^\s*select a\.id, a\.task_id as task, a\.result/.test(text))
        .flatMap(({ params }) => params[0] as number[])
    const held = world.front.fail({
      hold: true,
      match: (request) => request.operation === 'PutObject' && request.bucket === bucket,
      times: 1e9,
    })
    const run = await startExport(world.app, { storageId: id })
    // One at a time is read, and seven of a little more than 4 MiB have room.
    await until(() => held.hits === 7)
    expect(read()).toHaveLength(7)
    held.release()
    expect(await exportEnd(world.app, run)).toMatchObject({ status: 'COMPLETED', counters: { exported: count } })
    expect(read()).toHaveLength(count)
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(count)
  })
})
