import { SluiceError } from '../errors.ts'

/** One row of a file, unparsed. `row` counts from 0 in arrays and lines, and is -1 when the file is one value. */
export interface JsonElement {
  row: number
  /** UTF-8 bytes of the value: it may turn out not to be JSON. */
  bytes: Buffer
  /** How many brackets are open at its deepest place. */
  depth: number
}

const [quote, backslash, comma, open, close, openBrace, closeBrace] = [0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d]
const newline = 0x0a
const byteOrderMark = [0xef, 0xbb, 0xbf]
const isSpace = (byte: number) => byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09

// ARRAY: elements of the top-level array. OBJECT: the first top-level object, which may be all, or the first line of
// many. LINES: the lines behind it. ENDED: only white space may follow.
type Mode = 'START' | 'ARRAY' | 'OBJECT' | 'BETWEEN' | 'LINES' | 'ENDED'

/**
 * Cuts a stream of bytes into the elements of its top-level array, into the lines of JSON Lines, or passes on the single
 * object that it holds, without holding more than one element. A UTF-8 byte order mark is skipped. What an element holds is
 * not looked at beyond its brackets and strings, so that a fault in one does not hide the others.
 * @throws SluiceError NOT_JSON, BINARY_IN_TASKS or LOOKS_LIKE_CSV when the file is none of these, or ends too early;
 *   TASK_TOO_LARGE when one element has more than `maxBytes`.
 */
export async function* splitJson(source: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<JsonElement> {
  let mode: Mode = 'START'
  let row = 0
  let depth = 0
  let deepest = 0
  let inString = false
  let escaped = false
  let sawNewline = false
  let position = 0
  let parts: Buffer[] = []
  let held = 0

  const keep = (bytes: Buffer) => {
    held += bytes.length
    if (held > maxBytes) throw new SluiceError('TASK_TOO_LARGE', `One task is larger than ${maxBytes >> 20} MiB.`)
    if (bytes.length > 0) parts.push(bytes)
  }
  const take = (as: number): JsonElement => {
    const element = { row: as, bytes: Buffer.concat(parts), depth: deepest }
    parts = []
    held = 0
    deepest = 0
    return element
  }

  for await (const chunk of source) {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (mode === 'LINES') {
        const end = chunk.indexOf(newline, at)
        if (end === -1) break
        keep(chunk.subarray(from, end))
        const line = take(row)
        if (!isBlank(line.bytes)) {
          row++
          yield { ...line, depth: depthOf(line.bytes) }
        }
        from = end + 1
        at = end
        continue
      }
      if (mode === 'START') {
        if (isSpace(byte) || byte === byteOrderMark[position + at]) continue
        if (byte !== open && byte !== openBrace) throw notJson(chunk)
        mode = byte === open ? 'ARRAY' : 'OBJECT'
        from = mode === 'ARRAY' ? at + 1 : at
        if (mode === 'ARRAY') continue
      }
      if (mode === 'BETWEEN') {
        sawNewline ||= byte === newline
        if (isSpace(byte)) continue
        if (!sawNewline) throw new SluiceError('NOT_JSON', 'There is text after the end of the JSON value.')
        yield take(row++)
        mode = 'LINES'
        from = at
        at--
        continue
      }
      if (mode === 'ENDED') {
        if (!isSpace(byte)) throw new SluiceError('NOT_JSON', 'There is text after the end of the JSON value.')
      } else if (inString) {
        if (escaped) escaped = false
        else if (byte === backslash) escaped = true
        else if (byte === quote) inString = false
      } else if (byte === quote) {
        inString = true
      } else if (byte === openBrace || byte === open) {
        deepest = Math.max(deepest, ++depth)
      } else if (depth > 0 && (byte === closeBrace || byte === close)) {
        depth--
        if (mode === 'OBJECT' && depth === 0) {
          keep(chunk.subarray(from, at + 1))
          mode = 'BETWEEN'
        }
      } else if (mode === 'ARRAY' && depth === 0 && (byte === comma || byte === close)) {
        keep(chunk.subarray(from, at))
        const element = take(row)
        from = at + 1
        if (byte === close) mode = 'ENDED'
        if (byte === close && row === 0 && isBlank(element.bytes)) continue
        row++
        yield element
      }
    }
    if (mode === 'ARRAY' || mode === 'OBJECT' || mode === 'LINES') keep(chunk.subarray(from))
    position += chunk.length
  }

  if (mode === 'START') throw new SluiceError('NOT_JSON', 'The object is empty.')
  // Not before the end was seen: half of a file that is no JSON must not be taken for the whole.
  if (mode === 'BETWEEN') yield take(-1)
  else if (mode === 'LINES') {
    const line = take(row)
    if (!isBlank(line.bytes)) yield { ...line, depth: depthOf(line.bytes) }
  } else if (mode === 'OBJECT') {
    yield* linesOf(take(-1).bytes)
  } else if (mode === 'ARRAY') throw new SluiceError('NOT_JSON', 'The JSON ends in the middle of a value.')
}

/** An object without its end: JSON Lines whose first line is broken, if another line is whole; else one broken value. */
function* linesOf(text: Buffer): Generator<JsonElement> {
  const lines = text
    .toString('latin1')
    .split('\n')
    .filter((line) => line.trim() !== '')
  if (!lines.slice(1).some((line) => /^\s*\{.*\}\s*$/.test(line) && isJson(line))) {
    throw new SluiceError('NOT_JSON', 'The JSON ends in the middle of a value.')
  }
  for (const [row, line] of lines.entries()) {
    const bytes = Buffer.from(line, 'latin1')
    yield { row, bytes, depth: depthOf(bytes) }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function depthOf(bytes: Buffer): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (inString) {
      if (byte === backslash) at++
      else if (byte === quote) inString = false
    } else if (byte === quote) inString = true
    else if (byte === openBrace || byte === open) deepest = Math.max(deepest, ++depth)
    else if (byte === closeBrace || byte === close) depth--
  }
  return deepest
}

const isBlank = (bytes: Buffer) => bytes.every(isSpace)

function notJson(start: Buffer): SluiceError {
  const looksBinary = start
    .subarray(0, 512)
    .some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27) || byte >= 0xf5)
  if (looksBinary) return new SluiceError('BINARY_IN_TASKS')
  const [head = '', next = ''] = start.subarray(0, 4_096).toString('latin1').split('\n', 2)
  const columns = (line: string) => line.split(/[,;\t]/).length
  if (columns(head) > 1 && columns(head) === columns(next)) return new SluiceError('LOOKS_LIKE_CSV')
  return new SluiceError('NOT_JSON', 'A task file must hold a JSON object, an array of objects, JSON Lines or Parquet.')
}
