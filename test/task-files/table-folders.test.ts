import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSidecar } from '../../src/storages/object-filter.ts'
import { hiveColumnsOf, withColumns } from '../../src/task-files/hive-columns.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const parquet = readFileSync(join(import.meta.dirname, '../formats/recorded/duckdb-1.4.4-null.parquet'))
const dataOf = async (project: string) => {
  const { node } = await world.app.request(
    'query ($id: ID!) { node(id: $id) { ... on Project { tasks(first: 50) { edges { node { data dataJson } } } } } }',
    { id: project },
  )
  // Newest first.
  return node.tasks.edges.map((edge: { node: { data: object; dataJson: string } }) => edge.node).reverse()
}

describe('a folder that Spark or Dask wrote', () => {
  const objects = {
    'table/_SUCCESS': '',
    'table/_metadata': 'PAR1',
    'table/.part-0.parquet.crc': 'crc\0',
    'table/.DS_Store': '\0',
    'table/day=2026-02-03/country=D%2FE/part-0.parquet': parquet,
  }

  it('is imported without an issue, and its sidecars count as skipped', async () => {
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    for (const counts of [{ created: 2 }, { created: 0, existed: 1 }]) {
      const run = await sync(world.app, storage.id)
      expect(run).toMatchObject({
        status: 'COMPLETED',
        issues: [],
        counters: { listed: 5, skipped: 4, failed: 0, ...counts },
      })
    }
    expect(await dataOf(storage.project)).toMatchObject([{ data: { x: 1 } }, { data: { x: null } }])
  })

  it('with skipSidecars: false, its sidecars are read as task files', async () => {
    const storage = await world.storage({ objects, importMethod: 'TASKS', skipSidecars: false })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { skipped: 0 },
    })
  })

  it('has its sidecars in the preview, with the rule SIDECAR', async () => {
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    const preview = async (more: object) => {
      const { previewObjects } = await world.app.request(
        'query ($input: PreviewObjectsInput!) { previewObjects(input: $input) { takenCount objects { key rule } } }',
        { input: { id: storage.id, ...more } },
      )
      return previewObjects
    }
    expect((await preview({})).objects.filter(({ rule }: { rule: string }) => rule === 'SIDECAR')).toHaveLength(4)
    expect((await preview({ skipSidecars: false })).takenCount).toBe(5)
  })

  it('retains links to sidecars that were imported before, and never counts them as missing', async () => {
    const files = { 'a/_SUCCESS': 'x', 'a/1.jpg': 'x' }
    const storage = await world.storage({ objects: files, skipSidecars: false, missingPolicy: 'DELETE_UNANNOTATED' })
    await sync(world.app, storage.id)
    await world.app.request(
      'mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) { ... on Error { message } } }',
      { input: { id: storage.id, skipSidecars: true, skipCheck: true } },
    )
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { skipped: 1, existed: 1, missing: 0, deleted: 0 },
    })
    expect(await dataOf(storage.project)).toHaveLength(2)
  })

  it('with hiveColumns, has its folders as fields of the data, and a field of the row wins', async () => {
    const storage = await world.storage({ objects, importMethod: 'TASKS', hiveColumns: true })
    await sync(world.app, storage.id)
    expect((await dataOf(storage.project))[0].data).toEqual({ x: 1, day: '2026-02-03', country: 'D/E' })
    const rows = await world.storage({
      objects: { 'x=1/y=2/a.json': '{"x":5}' },
      importMethod: 'TASKS',
      hiveColumns: true,
    })
    await sync(world.app, rows.id)
    expect((await dataOf(rows.project))[0].dataJson).toBe('{"x":5,"y":"2"}')
  })

  it('has its sidecars skipped in storages that existed before the setting, too', async () => {
    expect(
      await query(
        world.app.databaseUrl,
        `select column_name as name, column_default as value from information_schema.columns
         where table_name = 'storage' and column_name in ('skip_sidecars', 'hive_columns') order by 1`,
      ),
    ).toEqual([
      { name: 'hive_columns', value: 'false' },
      { name: 'skip_sidecars', value: 'true' },
    ])
  })
})

describe('names of sidecars', () => {
  it.each([
    '_SUCCESS',
    'a/_metadata',
    '_common_metadata',
    'x/_started_12',
    '_committed_vacuum1',
    '.a.crc',
    'p/.DS_Store',
    'Thumbs.db',
  ])('include %s', (key) => {
    expect(isSidecar(key)).toBe(true)
  })

  it.each([
    'SUCCESS',
    'a_SUCCESS',
    '_SUCCESS/a',
    '_metadata.json',
    'a.crc',
    '_started',
    'thumbs.db',
    '.DS_Store2',
    '_delta_log/0.json',
  ])('do not include %s', (key) => {
    expect(isSidecar(key)).toBe(false)
  })
})

describe('columns of Hive folders', () => {
  it('are the folders, not the name of the object, with escapes undone; the null of Hive is null', () => {
    expect(hiveColumnsOf('a/p=1/q=x%20y/r=__HIVE_DEFAULT_PARTITION__/=z/s=%ZZ/t=u.json')).toEqual({
      ...{ p: '1', q: 'x y', r: null, s: '%ZZ' },
    })
  })

  it('leave the text of the data unchanged, with all digits', () => {
    expect(withColumns('{"n": 12345678901234567.50 }', { p: 'a"b' })).toBe('{"n": 12345678901234567.50 ,"p":"a\\"b"}')
    expect(withColumns('{}', { p: '1' })).toBe('{"p":"1"}')
    expect(withColumns('{"p":null}', { p: '1' })).toBe('{"p":null}')
  })
})

describe('digits in GraphQL', () => {
  it('dataJson is the stored text, whose digits a client of JavaScript does not round', async () => {
    const text = '{"data":{"n":-123456789012345.678,"i":12345678901234567890}}'
    const storage = await world.storage({ objects: { 'a.json': text }, importMethod: 'TASKS' })
    await sync(world.app, storage.id)
    expect((await dataOf(storage.project))[0].dataJson).toBe('{"n":-123456789012345.678,"i":12345678901234567890}')
  })
})
