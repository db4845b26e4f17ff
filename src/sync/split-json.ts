import { SluiceError } from '../errors.ts'

/** The text of one JSON value in a file. `row` counts from 0 inside an array and is -1 when the file is one value. */
export interface JsonElement {
  row: number
  /** UTF-8 bytes of the value, unparsed: it may turn out not to be JSON. */
  bytes: Buffer
  /** How many brackets are open at its deepest place. */
  depth: number
}

const [quote, backslash, comma, open, close, openBrace, closeBrace] = [0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d]
const byteOrderMark = [0xef, 0xbb, 0xbf]
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/**
 * Cuts a stream of bytes into the elements of its top-level array, or passes on the single object that it holds, without
 * holding more than one element. A UTF-8 byte order mark is skipped. What an element holds is not looked at beyond its
 * brackets and strings, so that a fault in one does not hide the others.
 * @throws SluiceError NOT_JSON | BINARY_IN_TASKS when the file is neither object nor array, or ends too early;
 *   TASK_TOO_LARGE when one element has more than `maxBytes`.
 */
export async function* splitJson(source: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<JsonElement> {
  let inArray: boolean | undefined
  let ended = false
  let row = 0
  let depth = 0
  let deepest = 0
  let alone: JsonElement | undefined
  let inString = false
  let escaped = false
  let parts: Buffer[] = []
  let held = 0
  let position = 0

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
      if (inArray === undefined) {
        if (isSpace(byte) || byte === byteOrderMark[position + at]) continue
        if (byte !== open && byte !== openBrace) throw notJson(chunk)
        inArray = byte === open
        from = inArray ? at + 1 : at
        if (inArray) continue
      }
      if (ended) {
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
        if (!inArray && depth === 0) {
          keep(chunk.subarray(from, at + 1))
          alone = take(-1)
          ended = true
        }
      } else if (inArray && depth === 0 && (byte === comma || byte === close)) {
        keep(chunk.subarray(from, at))
        const element = take(row)
        ended = byte === close
        from = at + 1
        if (ended && row === 0 && isBlank(element.bytes)) continue
        row++
        yield element
      }
    }
    if (inArray !== undefined && !ended) keep(chunk.subarray(from))
    position += chunk.length
  }
  if (inArray === undefined) throw new SluiceError('NOT_JSON', 'The object is empty.')
  if (!ended) throw new SluiceError('NOT_JSON', 'The JSON ends in the middle of a value.')
  // Not before the end was seen: half of a file that is no JSON must not be taken for the whole.
  if (alone) yield alone
}

const isBlank = (bytes: Buffer) => bytes.every(isSpace)

function notJson(start: Buffer): SluiceError {
  const looksBinary = start
    .subarray(0, 512)
    .some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27) || byte >= 0xf5)
  if (looksBinary) return new SluiceError('BINARY_IN_TASKS')
  return new SluiceError('NOT_JSON', 'A task file must hold a JSON object or an array of objects.')
}
