/** Bytes that have a meaning in the structure of JSON (RFC 8259 §2). */
export const [newline, quote, backslash, colon] = [0x0a, 0x22, 0x5c, 0x3a]
export const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Kinds of bytes outside of strings; 0 for all others. */
export const [space, opens, closes, separates, quotes] = [1, 2, 3, 4, 5]
/** The kind of each byte. */
export const kindOf = new Uint8Array(256)
for (const [kind, bytes] of [
  [space, ' \n\r\t'],
  [opens, '[{'],
  [closes, ']}'],
  [separates, ','],
  [quotes, '"'],
] as const) {
  for (const byte of Buffer.from(bytes)) kindOf[byte] = kind
}

/** The position of the first byte from `from` on that is no white space. */
export function skipSpace(chunk: Buffer, from: number): number {
  let at = from
  while (at < chunk.length && kindOf[chunk[at]!] === space) at++
  return at
}

/** Whether the bytes are one complete JSON object. */
export function isWholeObject(bytes: Buffer): boolean {
  if (bytes[0] !== openBrace) return false
  try {
    JSON.parse(bytes.toString())
    return true
  } catch {
    return false
  }
}

/** Position of the next quote, backslash or newline at or after `from`. The length of the bytes if there is no such byte. */
export function nextInString(bytes: Buffer, from: number): number {
  const end = bytes.length
  let at = from
  while (at < end) {
    const byte = bytes[at]
    if (byte === quote || byte === backslash || byte === newline) break
    at++
  }
  return at
}

/** The value of a member of an object, `"name": value`. All bytes, if they are no member. */
export function valueOfMember(bytes: Buffer): Buffer {
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== quote) return bytes
  for (at = nextInString(bytes, at + 1); bytes[at] === backslash || bytes[at] === newline; ) {
    at = nextInString(bytes, at + (bytes[at] === backslash ? 2 : 1))
  }
  at = skipSpace(bytes, at + 1)
  return bytes[at] === colon ? bytes.subarray(skipSpace(bytes, at + 1)) : bytes
}
