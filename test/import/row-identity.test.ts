import { sync } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, formats, label, state, texts } from './row-place.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

describe.each(formats)('rows of a changed %s file', (format) => {
  it('move with their labels when a row is put in front of them', async () => {
    const storage = await connect(world, format, texts('one', 'two'))
    await label(world, storage, 'one')
    expect(await storage.put(texts('ZERO', 'one', 'two'))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, updated: 0, existed: 2, missing: 0, failed: 0 },
    })
    const rows = format === 'parquet' ? [1, 0, 0] : [1, 2, 0]
    expect(await state(world, storage)).toEqual([
      ['one', rows[0], 'one'],
      ['two', rows[1]],
      ['ZERO', rows[2]],
    ])
  })

  it('keep their labels in any order, also equal rows', async () => {
    const storage = await connect(world, format, texts('a', 'b', 'c', 'c', 'd'))
    await label(world, storage, 'a', 'c', 'd')
    expect(await storage.put(texts('d', 'c', 'b', 'c', 'a'))).toMatchObject({
      counters: { created: 0, updated: 0, existed: 5, missing: 0 },
    })
    for (const [text, , ...labels] of await state(world, storage))
      expect(labels.every((one) => one === text)).toBe(true)
  })

  it('are updated in place where nobody has labeled them', async () => {
    const storage = await connect(world, format, texts('a', 'b', 'c'))
    await label(world, storage, 'a')
    expect(await storage.put(texts('a', 'B', 'c'))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, updated: 1, existed: 2, missing: 0 },
    })
    expect((await state(world, storage)).map(([text]) => text)).toEqual(['a', 'B', 'c'])
  })

  it('keep the data of a labeled task whose row changed, as the issue ROW_CHANGED, once', async () => {
    const storage = await connect(world, format, texts('a', 'b'))
    await label(world, storage, 'b')
    const run = await storage.put(texts('a', 'B'))
    expect(run).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 1, updated: 0, existed: 1, missing: 1, failed: 1 },
      issues: [{ code: 'ROW_CHANGED', key: `a.${format}`, rowIndex: 1, retryable: false }],
    })
    expect(run.issues[0].message).toContain('rowKey')
    expect(await state(world, storage)).toEqual([
      ['a', 0],
      ['b', 'gone', 'b'],
      ['B', 1],
    ])
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { missing: 0 } })
    // The row comes back, and its task with it.
    expect(await storage.put(texts('b', 'a', 'B'))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, updated: 0, existed: 3 },
    })
    expect((await state(world, storage)).filter(([, place]) => place === 'gone')).toEqual([])
  })

  it('are missing without an issue when a labeled one is removed', async () => {
    const storage = await connect(world, format, texts('a', 'b', 'c'))
    await label(world, storage, 'a')
    expect(await storage.put(texts('b', 'c'))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, updated: 0, existed: 2, missing: 1, failed: 0 },
    })
    expect((await state(world, storage))[0]).toEqual(['a', 'gone', 'a'])
  })

  it('are matched by rowKey, whatever else changes', async () => {
    const storage = await connect(
      world,
      format,
      [
        { id: '1', text: 'a' },
        { id: '2', text: 'b' },
      ],
      { rowKey: 'id' },
    )
    await label(world, storage, 'a', 'b')
    expect(
      await storage.put([
        { id: '2', text: 'B' },
        { id: '3', text: 'c' },
        { id: '1', text: 'A' },
      ]),
    ).toMatchObject({ status: 'COMPLETED', counters: { created: 1, updated: 2, existed: 0, missing: 0 } })
    expect((await state(world, storage)).map(([text, , ...labels]) => [text, ...labels])).toEqual([
      ['A', 'a'],
      ['B', 'b'],
      ['c'],
    ])
  })

  it('that repeat or lack their rowKey are issues, and the first of them is imported', async () => {
    const rows = [
      { id: '1', text: 'a' },
      { id: '1', text: 'b' },
      { id: '2', text: 'c' },
    ]
    const storage = await connect(world, format, rows, { rowKey: 'id' })
    expect((await state(world, storage)).map(([text]) => text)).toEqual(['a', 'c'])
    const run = await sync(world.app, storage.id)
    expect(run.issues).toMatchObject([{ code: 'ROW_KEY_REPEATED' }])
    const absent = await connect(world, format, texts('a', 'b'), { rowKey: 'nowhere' })
    expect(await state(world, absent)).toEqual([])
    const failed = await sync(world.app, absent.id)
    expect(failed.issues.map(({ code }: { code: string }) => code)).toEqual(['ROW_KEY_MISSING', 'ROW_KEY_MISSING'])
  })

  it('that lose their place while another row has an issue are missing once the file has no issue', async () => {
    const keyed = (...ids: string[]) => ids.map((id) => ({ id, text: id }))
    const settings = { rowKey: 'data.id', missingPolicy: 'FLAG' }
    const storage = await connect(world, format, keyed('a', 'b', 'c', 'd'), settings)
    await label(world, storage, 'a', 'c')
    // The repeated row may be b or c in a wrong spelling, so neither is missing yet.
    expect(await storage.put(keyed('a', 'd', 'd'))).toMatchObject({ counters: { missing: 0 } })
    expect((await state(world, storage)).filter(([, place]) => place === 'gone')).toEqual([])
    expect(await storage.put(keyed('a', 'd', 'e'))).toMatchObject({
      counters: { created: 1, existed: 2, missing: 2 },
      issues: [{ code: 'ROW_CHANGED' }],
    })
    expect((await state(world, storage)).filter(([, place]) => place === 'gone').map(([text]) => text)).toEqual([
      'b',
      'c',
    ])
    expect(await storage.put(keyed('a', 'd', 'e', 'f'))).toMatchObject({
      status: 'COMPLETED',
      counters: { missing: 0 },
    })
  })
})
