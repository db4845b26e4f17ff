import { SluiceError } from '../errors.ts'
import { fieldsOf } from '../unknown.ts'
import { put } from './parquet/put.ts'
import { textOf } from './parquet/text.ts'
import { bareTask } from './parse-task.ts'
import { refusalOfBytes } from './refuse-text.ts'
import type { Element } from './row.ts'

/** Separates the columns: the one that `.tsv` has, or, for `.csv`, the one that its header has most often. */
type Delimiter = 'TAB' | 'AS_IN_HEADER'

/** How columns are separated in an object of this name; undefined if the name does not say that it is CSV or TSV. */
export function delimiterIn(key: string): Delimiter | undefined {
  const [, kind] = /\.(csv|tsv)(?:\.(?:gz|zst))?$/i.exec(key) ?? []
  if (kind === undefined) return undefined
  return kind.toLowerCase() === 'tsv' ? 'TAB' : 'AS_IN_HEADER'
}

/**
 * The rows of CSV or TSV (RFC 4180) with a header. Each becomes the data of a task: its columns, whose values are all text.
 * Rows count from 0, after the header. `head` are the first bytes. A row of more than `maxBytes` ends the file.
 * @throws SluiceError BAD_COLUMN_NAMES, NOT_UTF8 (of the header), BROKEN_CSV, TASK_TOO_LARGE; as `refusalOfBytes`
 */
export async function* csvElements(
  chunks: AsyncGenerator<Buffer>,
  head: Buffer,
  { delimiter, maxBytes }: { delimiter: Delimiter; maxBytes: number },
): AsyncGenerator<Element> {
  if (head.length === 0) throw new SluiceError('NOT_JSON', 'The object is empty.')
  const refusal = refusalOfBytes(head)
  if (refusal) throw refusal
  // Loaded when the first file wants it.
  const { parse } = await import('csv-parse')
  let records: Buffer[][] = []
  const parser = parse({
    bom: true,
    delimiter: delimiter === 'TAB' ? '\t' : delimiterOf(head),
    // Values as their bytes, so that a text that is not UTF-8 makes an issue of its row alone.
    encoding: null,
    max_record_size: maxBytes,
    // As a stream, it would drop the rows before a fault that were not taken yet.
    on_record: (fields: unknown) => {
      records.push(fields as Buffer[])
      return null
    },
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
  })
  // Each fault comes with the call that it belongs to, too.
  parser.on('error', () => {})
  const parsed = (work: (done: (error?: Error | null) => void) => void) =>
    new Promise<Error | undefined>((resolve) => void work((error) => resolve(error ?? undefined)))
  let names: string[] | undefined
  let row = 0
  try {
    for (let isEnd = false; !isEnd; ) {
      const next = await chunks.next()
      isEnd = next.done === true
      const fault = await parsed((done) => (next.done ? parser.end(done) : parser.write(next.value, done)))
      const some = records
      records = []
      for (const fields of some) {
        if (names) {
          const columns = names
          yield { rowGroup: -1, row: row++, parse: () => bareTask(JSON.stringify(rowOf(columns, fields))) }
        } else names = namesOf(fields)
      }
      if (fault) throw faultOf(fault)
    }
  } finally {
    parser.destroy()
    await chunks.return(undefined)
  }
}

function namesOf(fields: Buffer[]): string[] {
  const names = fields.map((field) => textIn(field, 'The header'))
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (names.some((name) => name.trim() === '')) {
    throw new SluiceError('BAD_COLUMN_NAMES', 'A column in the header has no name. Give each column its own name.')
  }
  if (twice !== undefined) {
    throw new SluiceError('BAD_COLUMN_NAMES', `Two columns have the name "${twice}". Give each column its own name.`)
  }
  return names
}

function rowOf(names: string[], fields: Buffer[]): object {
  if (fields.length !== names.length) {
    const counts = `${fields.length} fields, but the header has ${names.length} columns`
    throw new SluiceError('BROKEN_CSV', `The row has ${counts}. Put values that contain the separator in quotes.`)
  }
  const row = {}
  for (const [at, name] of names.entries()) put(row, name, textIn(fields[at]!, `The column "${name}"`))
  return row
}

function textIn(bytes: Buffer, place: string): string {
  const text = textOf(bytes, 0, bytes.length)
  if (text === undefined)
    throw new SluiceError('NOT_UTF8', `${place} has text that is not UTF-8. Save the file as UTF-8.`)
  return text
}

/** The separator that the first line has most often outside of quotes. */
function delimiterOf(head: Buffer): string {
  const [line = ''] = head
    .toString('latin1')
    .replace(/"[^"]*"/g, '')
    .split(/[\r\n]/, 1)
  const count = (char: string) => line.split(char).length - 1
  return [',', ';', '\t'].reduce((best, char) => (count(char) > count(best) ? char : best))
}

function faultOf(error: unknown): unknown {
  const { code, lines } = fieldsOf<'code' | 'lines'>(error)
  if (typeof code !== 'string' || !code.startsWith('CSV_')) return error
  if (code === 'CSV_MAX_RECORD_SIZE') {
    return new SluiceError(
      'TASK_TOO_LARGE',
      `The row that ends at line ${lines} is too large, or a quote is not closed.`,
    )
  }
  const message = `The CSV cannot be read from line ${lines} on: a quote is in a wrong place, or not closed. The rows before it were read.`
  return new SluiceError('BROKEN_CSV', message, { cause: error })
}
