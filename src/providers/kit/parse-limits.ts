/** Limits for the input of a parser. */
interface ParseLimits {
  /** Number of XML tags, or of JSON containers and commas. */
  maxParts: number
  maxDepth: number
  /** Whether XML may hold comments and CDATA. They count as tags. */
  allowsSections?: boolean
}

const code = (char: string) => char.charCodeAt(0)

const [lt, slash, gt, bang, question] = [code('<'), code('/'), code('>'), code('!'), code('?')]

/**
 * Whether XML is cheap to parse: few tags, no deep nesting, no comments, CDATA or DTD (storage APIs use none). Parser libraries
 * need about 1 KiB of memory per tag, so 4 MiB of `<a/>` would need a gigabyte. Does not check validity.
 */
export function isXmlWithin(xml: Uint8Array, { maxParts, maxDepth, allowsSections }: ParseLimits): boolean {
  let parts = 0
  let depth = 0
  for (let at = xml.indexOf(lt); at >= 0; at = xml.indexOf(lt, at + 1)) {
    const next = xml[at + 1]
    if (++parts > maxParts) return false
    if (next === bang) {
      const end = allowsSections ? endOfSection(Buffer.from(xml.buffer, xml.byteOffset, xml.byteLength), at) : -1
      if (end < 0) return false
      at = end
      continue
    }
    if (next === question) continue
    if (next === slash) depth--
    else {
      const close = xml.indexOf(gt, at)
      if (close < 0) return false
      if (xml[close - 1] !== slash && ++depth > maxDepth) return false
    }
  }
  return true
}

/** The end of the comment or CDATA section that starts at `at`; -1 for anything else. */
function endOfSection(xml: Buffer, at: number): number {
  const begins = (text: string) => xml.toString('latin1', at, at + text.length) === text
  return begins('<!--') ? xml.indexOf('-->', at + 4) : begins('<![CDATA[') ? xml.indexOf(']]>', at) : -1
}

const [quote, backslash, comma] = [code('"'), code('\\'), code(',')]
const [openArray, closeArray, openObject, closeObject] = [code('['), code(']'), code('{'), code('}')]

/** Whether JSON is cheap to parse: few values and no deep nesting. Does not check validity. */
export function isJsonWithin(json: Uint8Array, { maxParts, maxDepth }: ParseLimits): boolean {
  let parts = 0
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (byte === quote) {
      do {
        at = json.indexOf(quote, at + 1)
        if (at < 0) return false
      } while (isEscaped(json, at))
    } else if (byte === openArray || byte === openObject) {
      parts++
      if (++depth > maxDepth) return false
    } else if (byte === closeArray || byte === closeObject) depth--
    else if (byte === comma) parts++
    if (parts > maxParts) return false
  }
  return true
}

/** Whether an odd number of backslashes precedes the quote at `at`. */
function isEscaped(json: Uint8Array, at: number): boolean {
  let start = at
  while (json[start - 1] === backslash) start--
  return (at - start) % 2 === 1
}

/** Whether a body is a web page, regardless of its content type. */
export const looksLikeHtml = (body: Uint8Array) =>
  /^\s*<(?:!doctype\s+html|html|head|body)\b/i.test(Buffer.from(body.subarray(0, 256)).toString('latin1'))
