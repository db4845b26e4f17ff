import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net'
import { pathToFileURL } from 'node:url'

/** How a hostile HTTP server responds: named by the bucket, container or path that is asked for. */
export const hostileModes = [
  'huge-error',
  'huge-error-length',
  'tag-error',
  'deep-error',
  'endless-page',
  'many-keys',
  'tag-page',
  'deep-page',
  'descending',
  'repeating',
  'empty-pages',
  'short-length',
  'long-length',
  'drip-body',
  'drip-head',
  'huge-head',
] as const
type HostileMode = (typeof hostileModes)[number]

/** How a hostile Redis server responds: one port each. */
export const hostileReplies = [
  'huge-string',
  'huge-array',
  'deep-array',
  'endless-line',
  'endless-replies',
  'endless-scan',
  'same-scan',
] as const
type HostileReply = (typeof hostileReplies)[number]

/** Where a hostile server listens. It prints this as JSON. */
export interface HostilePorts {
  http: number
  redis: Record<HostileReply, number>
}

const hugeBytes = 300 * 2 ** 20
type Kind = 'S3' | 'GCS' | 'AZURE'

/** Sends `piece` again and again, at the speed of the reader, until `bytes` were sent or the reader leaves. */
function pour(to: ServerResponse | Socket, piece: Buffer, bytes: number, end: () => void): void {
  let left = bytes
  const more = () => {
    while (left > 0 && !to.destroyed) {
      left -= piece.length
      if (!to.write(piece)) return void to.once('drain', more)
    }
    if (!to.destroyed) end()
  }
  more()
}

const block = (text: string) => Buffer.from(text.repeat(Math.ceil(65_536 / text.length)))

const heads: Record<Kind, string> = {
  S3: '<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>',
  AZURE: '<?xml version="1.0"?><EnumerationResults><Blobs>',
  GCS: '{"items":[',
}
const tails: Record<Kind, string> = {
  S3: '<NextContinuationToken>t</NextContinuationToken></ListBucketResult>',
  AZURE: '</Blobs><NextMarker>@</NextMarker></EnumerationResults>',
  GCS: '],"nextPageToken":"@"}',
}

function entry(kind: Kind, key: string): string {
  if (kind === 'S3')
    return `<Contents><Key>${key}</Key><Size>1</Size><ETag>"1"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`
  if (kind === 'GCS') return JSON.stringify({ name: key, size: '1', updated: '2026-01-01T00:00:00Z', generation: '1' })
  return `<Blob><Name>${key}</Name><Properties><Content-Length>1</Content-Length><Etag>1</Etag></Properties></Blob>`
}

let requests = 0

function page(kind: Kind, keys: string[]): string {
  const marker = `${++requests}`
  const between = kind === 'GCS' ? ',' : ''
  return heads[kind] + keys.map((key) => entry(kind, key)).join(between) + tails[kind].replace('@', marker)
}

const numbered = (from: number, step: number, count = 1_000) =>
  Array.from({ length: count }, (_, n) => `k${String(from + n * step).padStart(12, '0')}`)

function respond(kind: Kind, mode: HostileMode, res: ServerResponse): void {
  const type = kind === 'GCS' ? 'application/json' : 'application/xml'
  const send = (text: string, more: Record<string, string> = {}) =>
    res.writeHead(200, { 'content-type': type, ...more }).end(text)
  const begin = (status: number, more: Record<string, string> = {}) =>
    res.writeHead(status, { 'content-type': type, ...more })
  const end = () => void res.end()
  const [open, close] =
    kind === 'GCS'
      ? ['{"error":{"message":"', '"}}']
      : ['<Error><Code>InvalidRequest</Code><Message>', '</Message></Error>']
  const deep = kind === 'GCS' ? '[' : '<a>'
  const tag = kind === 'GCS' ? '[],' : '<a/>'
  const handlers: Record<HostileMode, () => void> = {
    'huge-error': () => {
      begin(400).write(open)
      pour(res, block('m'), hugeBytes, () => res.end(close))
    },
    'huge-error-length': () => {
      begin(400, { 'content-length': String(hugeBytes) })
      pour(res, block('m'), hugeBytes, end)
    },
    'tag-error': () => void begin(400).end(`<Error>${tag.repeat(10_000)}</Error>`),
    'deep-error': () => void begin(400).end(deep.repeat(20_000)),
    'endless-page': () => {
      begin(200).write(heads[kind])
      pour(res, block(entry(kind, 'k') + (kind === 'GCS' ? ',' : '')), Number.POSITIVE_INFINITY, end)
    },
    'many-keys': () => send(page(kind, numbered(0, 1, 20_000))),
    'tag-page': () => send(heads[kind] + tag.repeat(900_000) + tails[kind]),
    'deep-page': () => send(heads[kind] + deep.repeat(900_000)),
    descending: () => send(page(kind, numbered(10 ** 11 - ++requests * 1_000, -1))),
    repeating: () => send(page(kind, numbered(0, 1))),
    'empty-pages': () => send(page(kind, [])),
    'short-length': () => {
      begin(200, { 'content-length': '100000' }).write(page(kind, numbered(0, 1, 3)))
      setTimeout(() => res.destroy(), 50)
    },
    'long-length': () =>
      res.socket!.end(
        `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: 10\r\n\r\n${page(kind, numbered(0, 1))}`,
      ),
    'drip-body': () => {
      begin(200).write(heads[kind])
      const timer = setInterval(() => res.write(' '), 100)
      res.once('close', () => clearInterval(timer))
    },
    'drip-head': () => {
      res.socket!.write('HTTP/1.1 200 OK\r\nx: ')
      const timer = setInterval(() => res.socket?.write('a'), 100)
      res.once('close', () => clearInterval(timer))
    },
    'huge-head': () => {
      res.socket!.write('HTTP/1.1 200 OK\r\n')
      pour(res.socket!, block('x-header: 0123456789\r\n'), hugeBytes, end)
    },
  }
  handlers[mode]()
}

/** Bytes for whatever a Redis client sends. */
function reply(mode: HostileReply, socket: Socket, command: string): void {
  const commands = command.split('\r\n*').length
  const isScan = /\r\nscan\r\n/i.test(command)
  if (mode === 'huge-string') {
    socket.write(`$${hugeBytes}\r\n`)
    pour(socket, block('s'), hugeBytes, () => {})
  } else if (mode === 'huge-array') socket.write('*30000000\r\n')
  else if (mode === 'deep-array') pour(socket, block('*1\r\n'), hugeBytes, () => {})
  else if (mode === 'endless-line') pour(socket, block('+aaaa'), hugeBytes, () => {})
  else if (mode === 'endless-replies') pour(socket, block(':1\r\n'), hugeBytes, () => {})
  else if (isScan) {
    const cursor = mode === 'same-scan' ? '7' : String(++requests)
    socket.write(`*2\r\n$${cursor.length}\r\n${cursor}\r\n*0\r\n`)
  } else socket.write((/\r\ndbsize\r\n/i.test(command) ? ':5\r\n' : '+OK\r\n').repeat(commands))
}

async function main(): Promise<void> {
  const http = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    req.resume()
    res.on('error', () => {})
    const { pathname } = new URL(req.url!, 'http://x')
    const mode = hostileModes.find((one) => pathname.includes(one)) ?? 'huge-error'
    const kind: Kind = /^\/(storage|upload|token)/.test(pathname)
      ? 'GCS'
      : pathname.startsWith('/account')
        ? 'AZURE'
        : 'S3'
    respond(kind, mode, res)
  })
  const port = (server: ReturnType<typeof createTcp>) =>
    new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    )
  const redis = {} as HostilePorts['redis']
  for (const mode of hostileReplies) {
    redis[mode] = await port(
      createTcp((socket) => {
        socket.on('error', () => {})
        socket.on('data', (chunk) => reply(mode, socket, chunk.toString('latin1')))
      }),
    )
  }
  process.stdout.write(`${JSON.stringify({ http: await port(http), redis } satisfies HostilePorts)}\n`)
}

// The test ends it; without one it must not stay.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdin.resume().once('end', () => process.exit(0))
  await main()
}
