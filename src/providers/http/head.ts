/** The head of an answer, and where its body begins. */
export interface Head {
  status: number
  /** By names in small letters. */
  headers: Record<string, string>
  /** Length of the body; undefined where it is told in another way than by `Content-Length`. */
  length: number | undefined
  /** False if the connection ends with the body. */
  keepAlive: boolean
  /** Number of bytes of the head. */
  bytes: number
}

/** More than servers take of a client; an answer that has more to say is for a library to read. */
export const maxHeadBytes = 16_384

/** Lines of heads that were read before: a server repeats most of them byte for byte. */
export type KnownLines = Map<string, { name: string; value: string }>
const mostKnown = 64

/**
 * Reads the head of an HTTP/1.1 answer (RFC 9112 §4, §5) from the beginning of `data`: undefined while it is not all there.
 * Lines that are in `known` are not read again, others are kept there. It takes what is written plainly, and nothing else, so that no two readers can differ about where a body ends (§6.3).
 * @throws Error when it is not written so
 */
export function readHead(data: Buffer, known: KnownLines): Head | undefined {
  const end = data.indexOf('\r\n\r\n')
  if (end < 0) {
    if (data.length > maxHeadBytes) throw new Error('The head of the answer is too long.')
    return undefined
  }
  const lines = data.toString('latin1', 0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(lines[0]!)?.[1])
  if (!status) throw new Error('The first line of the answer is not that of a final answer in HTTP/1.1.')
  const headers: Record<string, string> = Object.create(null)
  for (let n = 1; n < lines.length; n++) {
    const { name, value } = known.get(lines[n]!) ?? readLine(lines[n]!, known)
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  const told = headers['content-length']
  if (told !== undefined && !/^\d{1,15}$/.test(told)) throw new Error('The length of the answer is no number.')
  const { connection } = headers
  return {
    status,
    headers,
    length: told === undefined || 'transfer-encoding' in headers ? undefined : Number(told),
    keepAlive: connection === undefined || !/\bclose\b/i.test(connection),
    bytes: end + 4,
  }
}

function readLine(line: string, known: KnownLines) {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon).toLowerCase()
  if (colon < 1 || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new Error('A header of the answer has no name.')
  const read = { name, value: line.slice(colon + 1).trim() }
  if (known.size === mostKnown) known.clear()
  known.set(line, read)
  return read
}
