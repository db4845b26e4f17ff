import { annotate } from '@sluice/testkit/annotate.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import type { World } from '@sluice/testkit/world.ts'
import { parquetWriteBuffer } from 'hyparquet-writer'

type Row = Record<string, unknown>
type Storage = Awaited<ReturnType<World['storage']>>

/** Writes rows as a file of each format; the format is also the end of its name. */
export const files = {
  json: (rows: Row[]) => JSON.stringify(rows),
  jsonl: (rows: Row[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  csv: (rows: Row[]) => {
    const names = Object.keys(rows[0] ?? { text: '' })
    return `${[names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.join(',')).join('\n')}\n`
  },
  parquet: (rows: Row[], rowGroupSize = 2) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: Object.keys(rows[0]!).map((name) => ({ name, data: rows.map((row) => String(row[name])) })),
        rowGroupSize,
      }),
    ),
}
type Format = keyof typeof files

/** All formats of `files`. */
export const formats = Object.keys(files) as Format[]

/** A row for each text. */
export const texts = (...all: string[]) => all.map((text) => ({ text }))

/** A storage that has imported a file with these rows; `put` and `change` replace the file and sync again. */
export async function connect(world: World, format: Format, rows: Row[], settings: Row = {}) {
  const key = `a.${format}`
  const storage = await world.storage({
    importMethod: 'TASKS',
    changedPolicy: 'UPDATE',
    objects: { [key]: files[format](rows) as string },
    ...settings,
  })
  await sync(world.app, storage.id)
  const change = async (body: string | Uint8Array) => {
    await world.s3.putMany(storage.bucket, [{ key, body }])
    return sync(world.app, storage.id)
  }
  return { ...storage, change, put: (next: Row[]) => change(files[format](next)) }
}

/** Labels the task with this text with the same text. */
export async function label(world: World, storage: Storage, ...all: string[]) {
  const tasks = await tasksOf(world.app, storage.project)
  for (const text of all) await annotate(world.app, [tasks.find(({ data }) => data.text === text)!.id], [text])
}

/** Text, row and labels of each task, oldest first; `gone` if its row is not in the object. */
export async function state(world: World, { project, databaseId }: Storage) {
  const links = await query(
    world.app.databaseUrl,
    'select task_id::int as task, row_exists as is from import_link where storage_id = $1',
    [databaseId],
  )
  const rowExists = new Map(links.map(({ task, is }) => [task, is]))
  return (await tasksOf(world.app, project)).map(({ id, data, link, annotations }) => {
    const number = numberOf(id)
    const place = rowExists.get(number) ? link!.rowIndex : 'gone'
    return [data.text, place, ...annotations.map(({ result }) => (result as string[])[0])]
  })
}
