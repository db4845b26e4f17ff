import type { Json } from '../../json.ts'
import { Dictionary, type Stored } from './dictionary.ts'
import { type TakeValues, valuesOf } from './encodings.ts'
import { ParquetFault } from './fault.ts'
import type { PageHeader } from './page-header.ts'
import type { Page, Pages } from './pages.ts'
import { Runs, widthOf } from './runs.ts'

/** A column of the schema: how deep it may be null and repeat (Dremel's levels), and how its values are stored. */
export interface Leaf {
  stored: Stored
  maxDefinition: number
  maxRepetition: number
}

const entriesAtOnce = 1_024
const maxRowEntries = 2 ** 22
const maxEntries = 2 ** 24

interface Entries {
  at: number
  definitions: number[]
  repetitions: number[]
  values: Json[]
}

/** Reads the values of one column of a row group; holds one page, its dictionary, and the entries that were not taken. */
export class ParquetColumn {
  readonly #pages: Pages
  readonly #leaf: Leaf
  #dictionary: Dictionary | undefined
  #left = 0
  #repetitions: Runs | undefined
  #definitions: Runs | undefined
  #openValues: () => TakeValues = () => () => []
  #values: TakeValues | undefined
  readonly #levels = new Uint8Array(entriesAtOnce)
  readonly #repeats = new Uint8Array(entriesAtOnce)

  /** Entries that were read by `fill`: one for each value, null, or empty list. `at` is the next one. */
  readonly entries: Entries = { at: 0, definitions: [], repetitions: [], values: [] }
  /** Beginnings of rows among the entries, and rows that the last `fill` was asked for. */
  #rows = 0
  #asked = 0
  #rowEntries = 0

  constructor(pages: Pages, leaf: Leaf) {
    this.#pages = pages
    this.#leaf = leaf
  }

  /** Of a column of the top level: the next `count` values, one for each row. @throws ParquetFault when there are fewer */
  async take(count: number): Promise<Json[]> {
    const taken: Json[] = []
    while (taken.length < count) {
      if (this.#left === 0 && !(await this.#nextPage())) throw tooFew()
      const some = Math.min(this.#left, count - taken.length, entriesAtOnce)
      this.#left -= some
      if (!this.#definitions) {
        const values = this.#take(some)
        if (values.length === count) return values
        for (const value of values) taken.push(value)
        continue
      }
      const levels = this.#levels
      this.#definitions.read(levels, some)
      let present = 0
      for (let n = 0; n < some; n++) present += levels[n]!
      const values = this.#take(present)
      if (present === some) for (const value of values) taken.push(value)
      else for (let n = 0, next = 0; n < some; n++) taken.push(levels[n] === 1 ? values[next++]! : null)
    }
    return taken
  }

  /** Of any other column: reads until the entries of the next `rows` rows are there. @throws ParquetFault when they are fewer */
  async fill(rows: number): Promise<void> {
    const { entries } = this
    this.#rows -= this.#asked
    this.#asked = rows
    for (const list of [entries.definitions, entries.repetitions, entries.values]) list.splice(0, entries.at)
    entries.at = 0
    // Where rows have many entries, only the next beginning, or the end, shows that a row is whole.
    const wanted = this.#leaf.maxRepetition > 0 ? rows + 1 : rows
    while (this.#rows < wanted) {
      if (this.#left === 0 && !(await this.#nextPage())) break
      this.#readEntries()
    }
    if (this.#rows < rows) throw tooFew()
  }

  #readEntries(): void {
    const { definitions, repetitions, values } = this.entries
    const { maxDefinition } = this.#leaf
    const some = Math.min(this.#left, entriesAtOnce)
    this.#left -= some
    const [levels, repeats] = [this.#levels, this.#repeats]
    if (this.#definitions) this.#definitions.read(levels, some)
    else levels.fill(0, 0, some)
    if (this.#repetitions) this.#repetitions.read(repeats, some)
    else repeats.fill(0, 0, some)
    let present = 0
    for (let n = 0; n < some; n++) if (levels[n] === maxDefinition) present++
    const read = this.#take(present)
    for (let n = 0, next = 0; n < some; n++) {
      definitions.push(levels[n]!)
      repetitions.push(repeats[n]!)
      values.push(levels[n] === maxDefinition ? read[next++]! : null)
      this.#rowEntries++
      if (repeats[n] !== 0) continue
      this.#rows++
      this.#rowEntries = 1
    }
    if (repetitions[0] !== 0) throw new ParquetFault('a column begins in the middle of a row')
    if (this.#rowEntries > maxRowEntries || values.length > maxEntries) {
      throw new ParquetFault(`one row has more than ${maxRowEntries} values`, 'TASK_TOO_LARGE')
    }
  }

  #take(count: number): Json[] {
    if (count === 0) return []
    // Nothing but nulls has no values, not even the little that comes before them.
    this.#values ??= this.#openValues()
    return this.#values(count)
  }

  /** False if there are no more pages. */
  async #nextPage(): Promise<boolean> {
    for (;;) {
      const page = await this.#pages.next()
      if (!page) return false
      const { header, bytes } = page
      if (header.type === 'DICTIONARY') this.#dictionary = new Dictionary(bytes, header.values, this.#leaf.stored)
      else if (header.values > 0) {
        this.#open(page)
        return true
      }
    }
  }

  #open({ header, bytes }: Page): void {
    const { maxDefinition, maxRepetition, stored } = this.#leaf
    let from = 0
    const runs = (highest: number, length: number, encoding?: PageHeader['encoding']) => {
      if (header.type === 'DATA_V2') from += length
      if (highest === 0) return undefined
      if (header.type === 'DATA_V2') return new Runs(bytes, { from: from - length, to: from, width: widthOf(highest) })
      if (encoding !== 'RLE') {
        throw new ParquetFault(`the encoding ${encoding} of levels is not supported`, 'UNSUPPORTED_PARQUET')
      }
      if (from + 4 > bytes.length) throw new ParquetFault('the data of a page is damaged')
      const start = from + 4
      from = start + bytes.readUInt32LE(from)
      return new Runs(bytes, { from: start, to: from, width: widthOf(highest) })
    }
    const [definitionEncoding, repetitionEncoding] = header.levelEncodings
    this.#repetitions = runs(maxRepetition, header.repetitionBytes, repetitionEncoding)
    this.#definitions = runs(maxDefinition, header.definitionBytes, definitionEncoding)
    this.#left = header.values
    this.#values = undefined
    this.#openValues = () => valuesOf(bytes, from, header, { stored, dictionary: this.#dictionary })
  }
}

const tooFew = () => new ParquetFault('it has fewer rows than the footer says')
