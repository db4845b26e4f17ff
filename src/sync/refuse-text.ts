import { SluiceError } from '../errors.ts'

/** Why bytes that begin like this are no task file: the classic mistakes by name. `head` is the beginning, without white space. */
export function refusalOf(head: Buffer): SluiceError {
  if (isUtf16(head)) return new SluiceError('NOT_UTF8', 'The text is UTF-16. Save it as UTF-8.')
  const text = head.toString('latin1')
  if (head.some(isNoText) || text.startsWith('%PDF')) return new SluiceError('BINARY_IN_TASKS')
  const [first = '', second = ''] = text.split('\n', 2)
  const columns = (line: string) => line.split(/[,;\t]/).length
  if (columns(first) > 1 && columns(first) === columns(second)) return new SluiceError('LOOKS_LIKE_CSV')
  return new SluiceError(
    'NOT_JSON',
    'A task file must hold a JSON object, an array of objects, JSON Lines or Parquet. To import files as they are, use the import method FILES.',
  )
}

/** With a byte order mark, or with every other byte zero, as of `[` or `{` and what may follow them. */
const isUtf16 = ([a, b, c]: Buffer) =>
  (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (a === 0 && b !== 0 && c === 0)

/** Control characters that no text has, and bytes that UTF-8 never has. */
const isNoText = (byte: number) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27) || byte >= 0xf5
