import { SluiceError } from '../errors.ts'
import {
  backslash,
  closeBracket,
  closes,
  isWholeObject,
  kindOf,
  newline,
  nextInString,
  openBrace,
  openBracket,
  opens,
  quote,
  quotes,
  separates,
  skipSpace,
  space,
} from './json-bytes.ts'
import { refusalOf } from './refuse-text.ts'

/** One row of a file, unparsed. */
export interface JsonElement {
  /** From 0 in arrays and lines; -1 when the file is one value. */
  row: number
  /** UTF-8 bytes of the value: it may turn out not to be JSON. They may be a view of a chunk that was pushed. */
  bytes: Buffer
  /** It has more bytes than may be held; `bytes` is empty then. */
  tooLarge: boolean
}

// ARRAY: elements of the top-level array. OBJECT: the first top-level object, which may be all, or the first line of many.
// BETWEEN: after it. LINES: the lines that follow it. OBJECTS: the objects that follow it, of which the first spans lines.
// SEEKING: the text is no object, but may be lines of which the first is broken. ENDED: only white space may follow. REFUSED: no
// task file; its head shows its format.
type Mode = 'START' | 'ARRAY' | 'OBJECT' | 'BETWEEN' | 'LINES' | 'OBJECTS' | 'SEEKING' | 'ENDED' | 'REFUSED'

const byteOrderMark = [0xef, 0xbb, 0xbf]
const headBytes = 4_096

/**
 * Cuts bytes that come in chunks into the elements of their top-level array, into the lines of JSON Lines, or passes on the
 * single object that they are, without holding more than one element. A UTF-8 byte order mark is skipped. What an element
 * holds is not looked at beyond its brackets and strings, so that a fault in one does not hide the others. How the bytes
 * are cut into chunks makes no difference.
 */
export class JsonSplitter {
  readonly #maxBytes: number
  #mode: Mode = 'START'
  #position = 0
  /** Bytes of a byte order mark that were seen. */
  #markBytes = 0
  #row = 0
  /** Lines that wait for one that is whole. */
  #waiting: JsonElement[] = []
  #waitingBytes = 0
  #sawNewline = false

  // The current element.
  #parts: Buffer[] = []
  #held = 0
  #begun = false
  #depth = 0
  #inString = false
  #escaped = false
  #closed = false
  #isBroken = false
  #isWhole = false

  /** An element of more than `maxBytes` is passed on without its bytes. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The elements that end in this chunk. Read all of them before the next push.
   * @throws SluiceError NOT_JSON, NOT_UTF8, BINARY_IN_TASKS or LOOKS_LIKE_CSV when the bytes are no task file.
   */
  *push(chunk: Buffer): Generator<JsonElement> {
    let at = 0
    while (at < chunk.length) {
      switch (this.#mode) {
        case 'START':
          at = this.#start(chunk, at)
          break
        case 'REFUSED':
          this.#store(chunk.subarray(at))
          if (this.#held >= headBytes) throw this.#refusal()
          at = chunk.length
          break
        case 'ENDED':
          at = skipSpace(chunk, at)
          if (at < chunk.length) throw textAfter(chunk[at]!)
          break
        case 'BETWEEN': {
          const byte = chunk[at]!
          if (byte === newline) this.#sawNewline = true
          if (kindOf[byte] === space) at++
          else {
            const spansLines = this.#parts.some((part) => part.includes(newline))
            // Only whole objects can follow one that spans lines; a line of it would mean nothing.
            if (!this.#sawNewline || (spansLines && byte !== openBrace)) throw textAfter(byte)
            yield this.#take(this.#row++)
            this.#mode = spansLines ? 'OBJECTS' : 'LINES'
          }
          break
        }
        case 'LINES':
        case 'SEEKING': {
          if (!this.#begun) at = skipSpace(chunk, at)
          if (at === chunk.length) break
          this.#begun = true
          const end = chunk.indexOf(newline, at)
          this.#store(end === -1 ? chunk.subarray(at) : chunk.subarray(at, end))
          at = end === -1 ? chunk.length : end + 1
          if (end === -1) break
          if (this.#mode === 'LINES') yield this.#take(this.#row++)
          else yield* this.#seek()
          break
        }
        case 'ARRAY':
        case 'OBJECT':
        case 'OBJECTS': {
          if (!this.#begun) at = skipSpace(chunk, at)
          if (at === chunk.length) break
          if (!this.#begun && this.#mode === 'OBJECTS' && chunk[at] !== openBrace) throw textAfter(chunk[at]!)
          const from = at
          at = this.#scan(chunk, at)
          this.#store(chunk.subarray(from, at))
          this.#begun = true
          if (this.#isBroken) {
            if (this.#mode === 'OBJECTS') throw endsEarly()
            yield* this.#breakUp()
          } else if (this.#isWhole) {
            this.#isWhole = false
            if (this.#mode === 'OBJECTS') yield this.#take(this.#row++)
            else this.#mode = 'BETWEEN'
          } else if (at < chunk.length && this.#mode === 'ARRAY') {
            const isLast = chunk[at++] === closeBracket
            if (isLast) this.#mode = 'ENDED'
            // Also what a comma too many leaves, but not the nothing of an empty array.
            if (this.#held > 0 || !isLast || this.#row > 0) yield this.#take(this.#row++)
          }
          break
        }
      }
    }
    this.#position += chunk.length
  }

  /**
   * The elements that only the end of the bytes ends.
   * @throws SluiceError as `push`, and NOT_JSON when they end too early.
   */
  *end(): Generator<JsonElement> {
    // Only at the end: half of a file that is not JSON must not count as the whole file.
    if (this.#mode === 'BETWEEN') yield this.#take(-1)
    else if (this.#mode === 'LINES' && this.#begun) yield this.#take(this.#row++)
    else if (this.#mode === 'OBJECTS' && this.#begun) throw endsEarly()
    else if (this.#mode === 'START' && this.#markBytes % 3 > 0) throw new SluiceError('NOT_UTF8')
    else if (this.#mode === 'START') throw new SluiceError('NOT_JSON', 'The object is empty.')
    else if (this.#mode === 'REFUSED') throw this.#refusal()
    else if (this.#mode === 'OBJECT' || this.#mode === 'SEEKING') {
      if (this.#mode === 'OBJECT') yield* this.#breakUp()
      if (this.#begun) yield* this.#seek()
      if (this.#mode === 'SEEKING') throw endsEarly()
    } else if (this.#mode === 'ARRAY') throw endsEarly()
  }

  #start(chunk: Buffer, at: number): number {
    const byte = chunk[at]!
    if (kindOf[byte] === space) return skipSpace(chunk, at)
    // Only a complete mark is a mark: `EF BB {` is not UTF-8.
    if (this.#position + at === this.#markBytes && byte === byteOrderMark[this.#markBytes]) {
      this.#markBytes++
      return at + 1
    }
    if (this.#markBytes % 3 > 0) throw new SluiceError('NOT_UTF8')
    this.#mode = byte === openBracket ? 'ARRAY' : byte === openBrace ? 'OBJECT' : 'REFUSED'
    return byte === openBracket ? at + 1 : at
  }

  /**
   * Continues to the end of the current element: the comma or bracket after it, or, for an object, its own last bracket.
   * Sets `#isBroken` at what no JSON value can hold.
   */
  #scan(chunk: Buffer, from: number): number {
    const isObject = this.#mode !== 'ARRAY'
    let [depth, inString, escaped, closed] = [this.#depth, this.#inString, this.#escaped, this.#closed]
    let at = from
    scanning: while (at < chunk.length) {
      while (inString && at < chunk.length) {
        if (!escaped) at = nextInString(chunk, at)
        if (at === chunk.length) break
        const byte = chunk[at++]!
        if (escaped) escaped = false
        else if (byte === quote) inString = false
        else if (byte === backslash) escaped = true
        else if (isObject) {
          this.#isBroken = true
          break scanning
        }
      }
      if (at === chunk.length) break
      switch (kindOf[chunk[at]!]) {
        case quotes:
          inString = true
          break
        case opens:
          // Not without a comma between them.
          if (closed && isObject) {
            this.#isBroken = true
            break scanning
          }
          depth++
          closed = false
          break
        case closes:
          if (depth === 0) {
            if (chunk[at] === closeBracket) break scanning
            break
          }
          depth--
          closed = true
          if (isObject && depth === 0) {
            this.#isWhole = true
            at++
            break scanning
          }
          break
        case separates:
          if (depth === 0) break scanning
          closed = false
          break
      }
      at++
    }
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    this.#closed = closed
    return at
  }

  /** What was held for one object goes through again, as lines. */
  *#breakUp(): Generator<JsonElement> {
    this.#isBroken = false
    const { bytes, tooLarge } = this.#take(-1)
    if (tooLarge) throw endsEarly()
    this.#mode = 'SEEKING'
    const position = this.#position
    yield* this.push(bytes)
    this.#position = position
  }

  /** Passes the waiting lines on if the current line shows that they are lines. */
  *#seek(): Generator<JsonElement> {
    const line = this.#take(this.#row++)
    this.#waiting.push(line)
    this.#waitingBytes += line.bytes.length
    if (this.#waitingBytes > this.#maxBytes) throw endsEarly()
    if (line.row === 0 || !isWholeObject(line.bytes)) return
    this.#mode = 'LINES'
    yield* this.#waiting
    this.#waiting = []
  }

  #store(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#held += bytes.length
    if (this.#held <= this.#maxBytes) this.#parts.push(bytes)
    else this.#parts = []
  }

  #take(row: number): JsonElement {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    const element = { row, bytes, tooLarge: this.#held > this.#maxBytes }
    this.#parts = []
    this.#held = 0
    this.#begun = false
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    this.#closed = false
    return element
  }

  #refusal(): SluiceError {
    return refusalOf(Buffer.concat(this.#parts).subarray(0, headBytes))
  }
}

const endsEarly = () => new SluiceError('NOT_JSON', 'The JSON ends in the middle of a value.')
const textAfter = (byte: number) =>
  byte === 0
    ? new SluiceError('NOT_UTF8')
    : new SluiceError('NOT_JSON', 'There is text after the end of the JSON value.')
