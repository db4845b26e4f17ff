/** The head of a response. */
export interface Head {
  status: number
  /** Values by lower-case name. */
  headers: Record<string, string>
  /** Bytes of the body. Undefined if `Content-Length` does not give it. */
  length: number | undefined
  /** False if the server closes the connection after the body. */
  keepAlive: boolean
  /** Bytes of the head; the body follows. */
  bytes: number
}

/** Limit for heads, in bytes. Servers accept less from clients. `readHead` rejects a longer head. */
export const maxHeadBytes = 16_384

/** A cache of parsed header lines. A server repeats most lines byte for byte. */
export type KnownLines = Map<string, { name: string; value: string }>
const maxKnownLines = 64

/**
 * Parses the head of an HTTP/1.1 response (RFC 9112 §4, §5) at the beginning of `data`. Returns undefined while it is
 * incomplete. `known` caches parsed lines. Accepts only plain syntax, so that no other parser can disagree about the end of
 * the body (§6.3).
 * @throws Error for any other syntax
 */
export function readHead(data: Buffer, known: KnownLines): Head | undefined {
  const end = data.indexOf('\r\n\r\n')
  if (end < 0) {
    if (data.length > maxHeadBytes) throw new Error('The head of the response is too long.')
    return undefined
  }
  const lines = data.toString('latin1', 0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(lines[0]!)?.[1])
  if (!status) throw new Error('The first line is not that of a final response in HTTP/1.1.')
  const headers: Record<string, string> = Object.create(null)
  for (let n = 1; n < lines.length; n++) {
    const { name, value } = known.get(lines[n]!) ?? readLine(lines[n]!, known)
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  const length = headers['content-length']
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new Error('The length of the response is no number.')
  const { connection } = headers
  return {
    status,
    headers,
    length: length === undefined || 'transfer-encoding' in headers ? undefined : Number(length),
    keepAlive: connection === undefined || !/\bclose\b/i.test(connection),
    bytes: end + 4,
  }
}

function readLine(line: string, known: KnownLines) {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon).toLowerCase()
  if (colon < 1 || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new Error('A header of the response has no name.')
  const read = { name, value: line.slice(colon + 1).trim() }
  if (known.size === maxKnownLines) known.clear()
  known.set(line, read)
  return read
}
