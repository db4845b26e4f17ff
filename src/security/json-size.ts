/** Maximum values in one JSON document: object members, array items, and the document itself. */
export const maxJsonValues = 250_000
/** Maximum levels of nesting, far below the stack limits of JavaScript and PostgreSQL. */
export const maxJsonDepth = 1_000

const [quote, backslash] = [0x22, 0x5c]

/** Size of the tree of a JSON document. */
interface JsonSize {
  values: number
  depth: number
}

/** Measures JSON text without parsing it. Stops soon after one of the limits is exceeded. */
export function sizeOfText(
  text: Uint8Array | string,
  limits = { values: maxJsonValues, depth: maxJsonDepth },
): JsonSize {
  const counter = createJsonCounter()
  counter.add(typeof text === 'string' ? Buffer.from(text) : text, limits)
  return counter.size
}

/** Measures JSON text that arrives in pieces. */
export function createJsonCounter(): { size: JsonSize; add(bytes: Uint8Array, limits: JsonSize): void } {
  const size = { values: 1, depth: 0 }
  let [depth, inString, escaped] = [0, false, false]
  return {
    size,
    add(bytes, limits) {
      let at = 0
      while (at < bytes.length) {
        if (inString) {
          if (!escaped) at = nextInString(bytes, at)
          const char = bytes[at++]
          inString = escaped || char !== quote
          escaped = !escaped && char === backslash
          continue
        }
        const char = bytes[at++]
        if (char === quote) inString = true
        else if (char === 0x2c) size.values++
        else if (char === 0x7b || char === 0x5b) {
          size.values++
          if (++depth > size.depth) size.depth = depth
        } else if (char === 0x7d || char === 0x5d) depth--
        else continue
        if (size.values > limits.values || size.depth > limits.depth) return
      }
    },
  }
}

/** Position of the next quote or backslash at or after `from`. The length of the bytes if there is no such byte. */
function nextInString(bytes: Uint8Array, from: number): number {
  const end = bytes.length
  let at = from
  while (at < end) {
    const char = bytes[at]
    if (char === quote || char === backslash) break
    at++
  }
  return at
}

/** Why a JSON value is too large or nested too deeply; undefined if it is within the limits. */
export function jsonSizeFault(value: unknown): string | undefined {
  // An explicit stack, because the value may be nested deeper than the call stack allows.
  const stack: { items: unknown[]; depth: number }[] = [{ items: [value], depth: 0 }]
  let values = 0
  for (let level = stack.pop(); level; level = stack.pop()) {
    values += level.items.length
    if (values > maxJsonValues) return `has more than ${maxJsonValues} values`
    for (const item of level.items) {
      if (typeof item !== 'object' || item === null || JSON.isRawJSON(item)) continue
      const depth = level.depth + 1
      if (depth > maxJsonDepth) return `is nested more than ${maxJsonDepth} levels deep`
      stack.push({ items: Array.isArray(item) ? item : Object.values(item), depth })
    }
  }
  return undefined
}
