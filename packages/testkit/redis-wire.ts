/** A reply of a Redis server: numbers, `null`, bytes, lists, a status line, or an error. */
export type Reply = number | null | Buffer | string | Reply[] | { status: string } | { error: string }

/** A reply in RESP2 (redis.io, "Redis serialization protocol specification"), as pieces, so that large values are not copied. */
export function encodeReply(reply: Reply): Buffer[] {
  if (reply === null) return [Buffer.from('$-1\r\n')]
  if (typeof reply === 'number') return [Buffer.from(`:${reply}\r\n`)]
  if (Array.isArray(reply)) return [Buffer.from(`*${reply.length}\r\n`), ...reply.flatMap(encodeReply)]
  if (typeof reply === 'string' || Buffer.isBuffer(reply)) {
    const bytes = Buffer.from(reply)
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]
  }
  return [Buffer.from('status' in reply ? `+${reply.status}\r\n` : `-${reply.error}\r\n`)]
}

/** Takes bytes as they come and gives the commands that are complete, each as its arguments. */
export function createCommandReader(): (chunk: Buffer) => Buffer[][] {
  let chunks: Buffer[] = []
  let held = 0
  let needed = 1
  return (chunk) => {
    chunks.push(chunk)
    held += chunk.length
    if (held < needed) return []
    let rest = Buffer.concat(chunks)
    const commands: Buffer[][] = []
    for (;;) {
      const next = readCommand(rest)
      if (typeof next === 'number') {
        needed = next
        break
      }
      commands.push(next.args)
      rest = rest.subarray(next.length)
    }
    chunks = [rest]
    held = rest.length
    return commands
  }
}

/** The first command in `bytes` and its length there, or the number of bytes that there must be at least. */
function readCommand(bytes: Buffer): { args: Buffer[]; length: number } | number {
  let at = 0
  const line = (mark: string): number | undefined => {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    if (bytes[at] !== mark.charCodeAt(0)) throw new Error(`expected '${mark}'`)
    const value = Number(bytes.toString('latin1', at + 1, end))
    at = end + 2
    return value
  }
  const count = line('*')
  if (count === undefined) return bytes.length + 1
  const args: Buffer[] = []
  while (args.length < count) {
    const length = line('$')
    if (length === undefined) return bytes.length + 1
    if (bytes.length < at + length + 2) return at + length + 2
    args.push(Buffer.from(bytes.subarray(at, at + length)))
    at += length + 2
  }
  return { args, length: at }
}
