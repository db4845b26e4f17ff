import { backslash, closeBracket, closes, kindOf, nextInString, opens, quote, quotes, separates } from './json-bytes.ts'

/** Finds the end of a JSON value in bytes that come in chunks, by its brackets and strings. */
export class ElementScan {
  #depth = 0
  #inString = false
  #escaped = false
  #closed = false
  /** The bytes cannot be one JSON object. */
  isBroken = false
  /** The last bracket of the object was read. */
  isWhole = false
  /** The bracket that ends the list of values. */
  closer = closeBracket

  /** Makes ready for the next value. */
  reset(): void {
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    this.#closed = false
    this.isBroken = false
    this.isWhole = false
  }

  /**
   * Continues to the end of the current value: the comma or `closer` after it, or, if it is an object alone, its own last bracket.
   * Sets `isBroken` at what no JSON value can hold.
   */
  push(chunk: Buffer, from: number, isObject: boolean): number {
    let [depth, inString, escaped, closed] = [this.#depth, this.#inString, this.#escaped, this.#closed]
    const { closer } = this
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
          this.isBroken = true
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
            this.isBroken = true
            break scanning
          }
          depth++
          closed = false
          break
        case closes:
          if (depth === 0) {
            if (chunk[at] === closer) break scanning
            break
          }
          depth--
          closed = true
          if (isObject && depth === 0) {
            this.isWhole = true
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
}
