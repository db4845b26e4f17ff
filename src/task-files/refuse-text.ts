import { SluiceError } from '../errors.ts'

/** Why bytes that begin like this are no task file: the classic mistakes by name. `head` is the beginning, without white space. */
export function refusalOf(head: Buffer): SluiceError {
  const refusal = refusalOfBytes(head)
  if (refusal) return refusal
  const text = head.toString('latin1')
  // UTF-8 never has such bytes.
  if (head.some((byte) => byte >= 0xf5) || text.startsWith('%PDF')) return new SluiceError('BINARY_IN_TASKS')
  const [first = '', second = ''] = text.split('\n', 2)
  const columns = (line: string) => line.split(/[,;\t]/).length
  const isTable = columns(first) > 1 && columns(first) === columns(second)
  if (isTable && ![first, second].some(looksLikeJson)) return new SluiceError('LOOKS_LIKE_CSV')
  return new SluiceError(
    'NOT_JSON',
    'A task file must contain a JSON object, an array of objects, JSON Lines or Parquet, or CSV or TSV with such a name. To import files as they are, use the import method FILES.',
  )
}

/** Whether a line has the marks of JSON, of which commas are a part: a bracket at one of its ends, or a name with a colon. */
const looksLikeJson = (line: string) => /^\s*[[\]{}]|[[\]{}],?\s*$|(?:^|[{,])\s*"[^"]+"\s*:/.test(line)

/** Why bytes that begin like this are no text of any kind; undefined if they may be. */
export function refusalOfBytes(head: Buffer): SluiceError | undefined {
  const [, format] = signatures.find(([bytes]) => head.subarray(0, bytes.length).equals(Buffer.from(bytes))) ?? []
  if (format) return new SluiceError('BINARY_IN_TASKS', messageOf(format, head))
  if (isUtf16(head)) return new SluiceError('NOT_UTF8', 'The text is UTF-16. Save it as UTF-8.')
  return head.some(isControl) ? new SluiceError('BINARY_IN_TASKS') : undefined
}

// Formats that people store their tasks in, by their first bytes.
const signatures: [number[], string][] = [
  [[0x42, 0x5a, 0x68], 'bzip2'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz'],
  [[0x50, 0x4b, 0x03, 0x04], 'zip'],
]

function messageOf(format: string, head: Buffer): string {
  const isWorkbook = format === 'zip' && /\[Content_Types\]\.xml|xl\//.test(head.toString('latin1'))
  if (isWorkbook) return 'The object is an Excel workbook (xlsx). Save the sheet as CSV, with the name .csv.'
  return `The object is packed with ${format}, which is not supported. Store it unpacked, or pack it with gzip or zstd.`
}

/** With a byte order mark, or with every other byte zero, as of `[` or `{` and what may follow them. */
const isUtf16 = ([a, b, c]: Buffer) =>
  (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (a === 0 && b !== 0 && c === 0)

/** Control characters that no text has. */
const isControl = (byte: number) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27)
