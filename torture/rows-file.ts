import { parquetWriteBuffer } from 'hyparquet-writer'
import type { Random } from './random.ts'

/** A row of a file; a broken one cannot be parsed. */
export interface FileRow {
  id: string
  text: string
  isBroken?: true
}

export const formats = ['json', 'jsonl', 'csv', 'parquet'] as const
export type Format = (typeof formats)[number]

/** The bytes of a file with these rows. Only JSON Lines can contain broken rows. */
export function fileOf(format: Format, rows: FileRow[], random: Random): string | Uint8Array {
  const values = rows.map(({ id, text }) => ({ id, text }))
  if (format === 'json') return JSON.stringify(values, null, random.pick([0, 1]))
  if (format === 'jsonl') {
    return rows.map(({ id, text, isBroken }) => `${isBroken ? '{"id":' : JSON.stringify({ id, text })}\n`).join('')
  }
  if (format === 'csv') return `id,text\n${values.map(({ id, text }) => `${id},${text}\n`).join('')}`
  const columnData = (['id', 'text'] as const).map((name) => ({ name, data: values.map((row) => row[name]) }))
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: random.whole(1, Math.max(2, rows.length)) }))
}

/** The rows after one to four edits that a person or a program makes. */
export function editRows(rows: FileRow[], format: Format, random: Random): FileRow[] {
  let edited = [...rows]
  for (let edits = random.whole(1, 4); edits > 0; edits--) {
    const at = random.whole(0, Math.max(0, edited.length - 1))
    switch (
      random.pick(['insert', 'insert', 'delete', 'edit', 'edit', 'duplicate', 'shuffle', 'move', 'replace', 'break'])
    ) {
      case 'insert':
        edited.splice(at, 0, newRow(random))
        break
      case 'delete':
        edited.splice(at, 1)
        break
      case 'edit':
        if (edited[at]) edited[at] = { id: edited[at].id, text: newRow(random).text }
        break
      case 'duplicate':
        if (edited[at]) edited.splice(random.whole(0, edited.length), 0, { ...edited[at] })
        break
      case 'shuffle':
        edited = shuffled(edited, random)
        break
      case 'move':
        edited.splice(random.whole(0, Math.max(0, edited.length - 1)), 0, ...edited.splice(at, 1))
        break
      case 'replace':
        if (random.chance(0.3)) edited = newRows(random, random.whole(1, 12))
        break
      case 'break':
        if (format === 'jsonl' && edited[at]) edited[at] = { ...edited[at], isBroken: true }
        break
    }
  }
  // A Parquet file without a row has no columns, and a broken line that is the only one is a file that is no task file.
  return edited.some(({ isBroken }) => !isBroken) ? edited : [newRow(random), newRow(random)]
}

/** New rows. */
export const newRows = (random: Random, count: number): FileRow[] => Array.from({ length: count }, () => newRow(random))

// Few texts, so that equal rows occur by themselves, too.
const newRow = (random: Random): FileRow => ({ id: `k${random.whole(0, 1e6)}`, text: `t${random.whole(0, 300)}` })

function shuffled<T>(list: T[], random: Random): T[] {
  const mixed = [...list]
  for (let n = mixed.length - 1; n > 0; n--) {
    const other = random.whole(0, n)
    ;[mixed[n], mixed[other]] = [mixed[other]!, mixed[n]!]
  }
  return mixed
}
