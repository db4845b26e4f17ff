import { SluiceError } from '../errors.ts'
import { rowsNotFound } from './dataset.ts'
import { ElementScan } from './element-scan.ts'
import {
  closeBracket,
  isWholeObject,
  kindOf,
  newline,
  openBrace,
  openBracket,
  skipSpace,
  space,
  valueOfMember,
} from './json-bytes.ts'
import { JsonOutline } from './json-outline.ts'
import { refusalOf } from './refuse-text.ts'

/** One row of a file, unparsed. */
export interface JsonElement {
  /** From 0 in arrays and lines; -1 when the file is one value. */
  row: number
  /** UTF-8 bytes of the value: it may turn out not to be JSON. They may be a view of a chunk that was pushed. */
  bytes: Buffer
  /** It has more bytes than may be held; `bytes` is empty then. */
  tooLarge: boolean
  /** What lists a single object has whose bytes are not held. */
  outline?: JsonOutline
}

// ARRAY: elements of the top-level array, or of the list that was looked for. REST: what follows that list. OBJECT: the first top-level object, which may be all, or the first line of many.
// BETWEEN: after it. LINES: the lines that follow it. OBJECTS: the objects that follow it, of which the first spans lines.
// SEEKING: the text is no object, but may be lines of which the first is broken. ENDED: only white space may follow. REFUSED: no
// task file; its head shows its format.
type Mode = 'START' | 'ARRAY' | 'REST' | 'OBJECT' | 'BETWEEN' | 'LINES' | 'OBJECTS' | 'SEEKING' | 'ENDED' | 'REFUSED'

const byteOrderMark = [0xef, 0xbb, 0xbf]
const headBytes = 4_096

/**
 * Cuts bytes that come in chunks into the elements of their top-level array, into the lines of JSON Lines, or passes on the
 * single object that they are, without holding more than one element. A UTF-8 byte order mark is skipped. What an element
 * holds is not looked at beyond its brackets and strings, so that a fault in one does not hide the others. How the bytes
 * are cut into chunks makes no difference.
 *
 * With a path, the elements of a single object are those of the list, or the values of the members of the object, that the path
 * leads to.
 */
export class JsonSplitter {
  readonly #maxBytes: number
  /** Looks for the rows. */
  readonly #finder: JsonOutline | undefined
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
  readonly #scan = new ElementScan()
  #outline: JsonOutline | undefined

  /** An element of more than `maxBytes` is passed on without its bytes. */
  constructor(maxBytes: number, path?: string[]) {
    this.#maxBytes = maxBytes
    this.#finder = path && new JsonOutline(path)
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
        case 'REST':
          at = this.#finder!.push(chunk, at)
          if (this.#finder!.isBroken) throw new SluiceError('NOT_JSON', 'The JSON is not valid after the list of rows.')
          if (this.#finder!.isDone) this.#mode = 'ENDED'
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
          const rows = this.#mode === 'OBJECT' ? this.#findRows(chunk, at) : undefined
          // What is before the rows must be part of one object, wherever the chunks end.
          at = this.#scan.push(rows === undefined ? chunk : chunk.subarray(0, rows), at, this.#mode !== 'ARRAY')
          if (rows !== undefined && !this.#scan.isBroken) {
            this.#take(-1)
            this.#scan.closer = this.#finder!.closer
            this.#mode = 'ARRAY'
            break
          }
          this.#store(chunk.subarray(from, at))
          this.#begun = true
          if (this.#scan.isBroken) {
            if (this.#mode === 'OBJECTS') throw endsEarly()
            yield* this.#breakUp()
          } else if (this.#scan.isWhole) {
            this.#scan.isWhole = false
            if (this.#mode === 'OBJECTS') yield this.#take(this.#row++)
            else this.#mode = 'BETWEEN'
          } else if (at < chunk.length && this.#mode === 'ARRAY') {
            const isLast = chunk[at++] === this.#scan.closer
            // Also what a comma too many leaves, but not the nothing of an empty array.
            if (this.#held > 0 || !isLast || this.#row > 0) yield this.#takeItem()
            if (isLast && this.#finder?.isAtRows) {
              this.#finder.leaveRows()
              this.#mode = 'REST'
            } else if (isLast) this.#mode = 'ENDED'
          }
          break
        }
      }
    }
    this.#position += chunk.length
  }

  /**
   * The elements that only the end of the bytes ends.
   * @throws SluiceError as `push`, NOT_JSON when they end too early, and ROWS_NOT_FOUND.
   */
  *end(): Generator<JsonElement> {
    // Only at the end: half of a file that is not JSON must not count as the whole file.
    if (this.#mode === 'BETWEEN') {
      if (this.#finder) throw rowsNotFound(this.#finder)
      yield this.#take(-1)
    } else if (this.#mode === 'LINES' && this.#begun) yield this.#take(this.#row++)
    else if (this.#mode === 'OBJECTS' && this.#begun) throw endsEarly()
    else if (this.#mode === 'START' && this.#markBytes % 3 > 0) throw new SluiceError('NOT_UTF8')
    else if (this.#mode === 'START') throw new SluiceError('NOT_JSON', 'The object is empty.')
    else if (this.#mode === 'REFUSED') throw this.#refusal()
    else if (this.#mode === 'OBJECT' || this.#mode === 'SEEKING') {
      if (this.#mode === 'OBJECT') yield* this.#breakUp()
      if (this.#begun) yield* this.#seek()
      if (this.#mode === 'SEEKING') throw endsEarly()
    } else if (this.#mode === 'ARRAY' || this.#mode === 'REST') throw endsEarly()
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

  /** What was held for one object goes through again, as lines. */
  *#breakUp(): Generator<JsonElement> {
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
    else {
      if (this.#mode === 'OBJECT') this.#follow(bytes)
      this.#parts = []
    }
  }

  /** Only an outline of an object remains that has more bytes than may be held. */
  #follow(bytes: Buffer): void {
    if (!this.#outline) {
      this.#outline = new JsonOutline()
      for (const part of this.#parts) this.#outline.push(part)
    }
    this.#outline.push(bytes)
  }

  /** Where the rows begin in this chunk, after their bracket. */
  #findRows(chunk: Buffer, from: number): number | undefined {
    const at = this.#finder?.push(chunk, from)
    return this.#finder?.isAtRows ? at : undefined
  }

  #takeItem(): JsonElement {
    const element = this.#take(this.#row++)
    return this.#scan.closer === closeBracket ? element : { ...element, bytes: valueOfMember(element.bytes) }
  }

  #take(row: number): JsonElement {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    const tooLarge = this.#held > this.#maxBytes
    const element: JsonElement = { row, bytes, tooLarge }
    if (this.#outline) element.outline = this.#outline
    this.#parts = []
    this.#held = 0
    this.#begun = false
    this.#outline = undefined
    this.#scan.reset()
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
