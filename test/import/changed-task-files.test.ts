import { sync, updateStorage } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, files, label, state, texts } from './row-place.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

describe('a changed file', () => {
  it('gets a rowKey that its rows repeat: the first of equal ones is imported, and the sync ends', async () => {
    const twice = [
      { id: '1', text: 'a' },
      { id: '1', text: 'b' },
    ]
    const storage = await connect(world, 'json', twice)
    await updateStorage(world.app, storage.id, { rowKey: 'id' })
    const run = await storage.put([{ id: '5', text: 'c' }, ...twice])
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', issues: [{ code: 'ROW_KEY_REPEATED', rowIndex: 2 }] })
    expect(await tasksOf(world.app, storage.project)).toHaveLength(3)
  })

  it('whose staged rows a crash of the database has emptied is read again, and loses no task', async () => {
    const rows = Array.from({ length: 2_500 }, (_, n) => ({ text: `row ${n}` }))
    const storage = await connect(world, 'jsonl', rows, { missingPolicy: 'DELETE_UNANNOTATED' })
    // The first part of the rows vanishes as soon as it is staged, as it does after a restart of PostgreSQL.
    await query(
      world.app.databaseUrl,
      `create function lose() returns trigger language plpgsql as $$ begin
         if not exists (select 1 from pg_class where relname = 'lost_once') then
           create table lost_once (); return null; end if; return new; end $$`,
    )
    await query(
      world.app.databaseUrl,
      'create trigger lose before insert on import_row for each row execute function lose()',
    )
    try {
      expect(await storage.put([{ text: 'first' }, ...rows])).toMatchObject({
        status: 'COMPLETED',
        counters: { created: 1, existed: 2_500, missing: 0, deleted: 0 },
      })
    } finally {
      await query(world.app.databaseUrl, 'drop trigger lose on import_row')
    }
  })

  it('with a broken line count once, also if their page is written again', async () => {
    const broken = '{"text":"A"}\nbroken\n{"text":"C"}\n'
    const large = Array.from({ length: 1_500 }, (_, n) => `{"n":${n}}\n`)
    const storage = await world.storage({
      importMethod: 'TASKS',
      changedPolicy: 'UPDATE',
      objects: { 'a.jsonl': broken, 'z.jsonl': large.slice(0, 2).join('') },
    })
    await sync(world.app, storage.id)
    await world.s3.putMany(storage.bucket, [
      { key: 'a.jsonl', body: `${broken}broken\n` },
      { key: 'z.jsonl', body: large.join('') },
    ])
    // The first part of the page is committed, the last one is not.
    await query(world.app.databaseUrl, 'create sequence ends')
    await query(
      world.app.databaseUrl,
      `create function refuse() returns trigger language plpgsql as $$ begin
         if nextval('ends') = 1 then raise exception 'refused once'; end if; return new; end $$`,
    )
    await query(
      world.app.databaseUrl,
      'create trigger refuse before update on sync_shard for each row when (new.done and not old.done) execute function refuse()',
    )
    try {
      expect(await sync(world.app, storage.id)).toMatchObject({
        status: 'COMPLETED_WITH_ERRORS',
        attempt: 2,
        counters: { created: 1_498, existed: 4, updated: 0, failed: 2 },
      })
    } finally {
      await query(world.app.databaseUrl, 'drop trigger refuse on sync_shard')
    }
  })

  it('with the policy IGNORE, of which a broken row is removed, is imported to its end without duplicates', async () => {
    const storage = await world.storage({
      importMethod: 'TASKS',
      objects: { 'a.jsonl': '{"text":"A"}\nbroken\n{"text":"C"}\n' },
    })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 2, failed: 1 } })
    await world.s3.putMany(storage.bucket, [{ key: 'a.jsonl', body: '{"text":"A"}\n{"text":"C"}\n{"text":"D"}\n' }])
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, existed: 2, updated: 0 },
    })
    expect(await state(world, storage)).toEqual([
      ['A', 0],
      ['C', 1],
      ['D', 2],
    ])
  })

  it('that grows from one line to two has one new task', async () => {
    const storage = await connect(world, 'jsonl', texts('one'))
    await label(world, storage, 'one')
    for (const before of ['zero', 'minus one']) {
      const rows = texts(...(before === 'zero' ? [] : ['zero']), 'one')
      expect(await storage.put([{ text: before }, ...rows])).toMatchObject({
        status: 'COMPLETED',
        counters: { created: 1, existed: rows.length, missing: 0 },
      })
    }
    expect(await state(world, storage)).toEqual([
      ['one', 2, 'one'],
      ['zero', 1],
      ['minus one', 0],
    ])
    expect(await storage.put(texts('one'))).toMatchObject({ counters: { created: 0, existed: 1, missing: 2 } })
    expect((await state(world, storage))[0]).toEqual(['one', null, 'one'])
  })

  it('with other spaces, escapes and order of fields changes nothing', async () => {
    const storage = await connect(world, 'json', [
      { text: 'é', n: 1 },
      { text: 'b', n: 2 },
    ])
    await label(world, storage, 'é', 'b')
    const run = await storage.change('[ {"n" : 2, "text" : "b"},\n {"n":1,"text":"\\u00e9"} ]')
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 0, updated: 0, existed: 2, missing: 0 } })
  })

  it('with what the database stores neither as text nor as jsonb changes as any other', async () => {
    const odd = ['{"text":"\\u0000"}', '{"text":"\\ud800"}', '{"text":1e400000}', '{"text":"plain"}']
    const storage = await connect(world, 'json', [])
    for (const lines of [odd, [...odd].reverse(), ['{"text":"new"}', ...odd]]) {
      expect(await storage.change(`[${lines}]`)).toMatchObject({ status: 'COMPLETED' })
    }
    expect(await tasksOf(world.app, storage.project)).toHaveLength(5)
    const [row] = await query(
      world.app.databaseUrl,
      'select count(*)::int as rows from import_row i join sync_run r on r.id = i.run_id where r.storage_id = $1',
      [storage.databaseId],
    )
    expect(row.rows).toBe(0)
  })

  it('of Parquet with the same rows in other row groups keeps all labels', async () => {
    const rows = texts('a', 'b', 'c', 'd', 'e')
    const storage = await connect(world, 'parquet', rows)
    await label(world, storage, 'a', 'c', 'e')
    expect(await storage.change(files.parquet(rows, 3))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, updated: 0, existed: 5, missing: 0 },
    })
    for (const [text, , ...labels] of await state(world, storage))
      expect(labels.every((one) => one === text)).toBe(true)
  })

  it('whose rows have an id beside their data is matched by it', async () => {
    const row = (id: number, text: string) => ({ id, data: { text } })
    const storage = await connect(world, 'json', [row(1, 'a'), row(2, 'b')])
    await label(world, storage, 'a', 'b')
    expect(await storage.put([row(2, 'B'), row(1, 'A'), row(3, 'c')])).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, updated: 2, existed: 0, missing: 0 },
    })
    expect((await state(world, storage)).map(([text, , ...labels]) => [text, ...labels])).toEqual([
      ['A', 'a'],
      ['B', 'b'],
      ['c'],
    ])
    const single = await world.storage({
      importMethod: 'TASKS',
      changedPolicy: 'UPDATE',
      objects: { 'a.json': JSON.stringify(row(1, 'a')) },
    })
    await sync(world.app, single.id)
    await label(world, single, 'a')
    await world.s3.putMany(single.bucket, [{ key: 'a.json', body: JSON.stringify([row(0, 'z'), row(1, 'A')]) }])
    expect(await sync(world.app, single.id)).toMatchObject({ counters: { created: 1, updated: 1 } })
    expect((await state(world, single))[0]).toEqual(['A', 1, 'a'])
  })

  it('that is one labeled task keeps it when it becomes another item', async () => {
    const storage = await world.storage({
      importMethod: 'TASKS',
      changedPolicy: 'UPDATE',
      objects: { 'a.json': '{"text":"cat"}', 'b.json': '{"text":"dog"}' },
    })
    await sync(world.app, storage.id)
    await label(world, storage, 'cat')
    await world.s3.putMany(storage.bucket, [
      { key: 'a.json', body: '{"text":"horse"}' },
      { key: 'b.json', body: '{"text":"hound"}' },
    ])
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 1, updated: 1, missing: 1 },
      issues: [{ code: 'ROW_CHANGED', key: 'a.json' }],
    })
    expect(await state(world, storage)).toEqual([
      ['cat', 'gone', 'cat'],
      ['hound', null],
      ['horse', null],
    ])
  })

  it('with the policy REPORT, of which a broken row is repaired, gets that row and reports the others that changed', async () => {
    const storage = await world.storage({
      importMethod: 'TASKS',
      changedPolicy: 'REPORT',
      objects: { 'a.jsonl': '{"text":"A"}\nbroken\n{"text":"C"}\n' },
    })
    await sync(world.app, storage.id)
    await world.s3.putMany(storage.bucket, [{ key: 'a.jsonl', body: '{"text":"A"}\n{"text":"B"}\n{"text":"D"}\n' }])
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { created: 1, existed: 2, updated: 0 },
      issues: [{ code: 'OBJECT_CHANGED', rowIndex: 2 }],
    })
    expect((await state(world, storage)).map(([text]) => text)).toEqual(['A', 'C', 'B'])
  })
})
