// An S3 server without objects, as a process of its own: it makes the answer to a listing from the numbers of its keys, and
// objects of equal bytes. It checks no signature. Started by `startGenerated`, which it does not outlive.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

const self = fileURLToPath(import.meta.url)

/**
 * Starts the server. A bucket named `keys-N` has N keys; in one named `keys-N-MS` each page takes MS milliseconds; in one named
 * `bytes-N` every key is an object of N bytes.
 */
export async function startGenerated(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const child = fork(self, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [port] = await once(child, 'message')
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async stop() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

const prefix = 'photos/2026/'
const keyOf = (n: number) => `${prefix}${String(n).padStart(8, '0')}.jpg`

/** Number of the first key behind `text`. */
function firstAfter(text: string, count: number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keyOf(middle) > text) high = middle
    else low = middle + 1
  }
  return low
}

function page(count: number, query: URLSearchParams): string {
  const from = firstAfter(query.get('continuation-token') ?? query.get('start-after') ?? '', count)
  const end = Math.min(count, from + Number(query.get('max-keys') ?? 1_000))
  const contents: string[] = []
  for (let n = from; n < end; n++) {
    contents.push(
      `<Contents><Key>${keyOf(n)}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998${String(n).padStart(8, '0')}&quot;</ETag><Size>16</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    )
  }
  const more = end < count
  const next = more ? `<NextContinuationToken>${keyOf(end - 1)}</NextContinuationToken>` : ''
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>generated</Name><EncodingType>url</EncodingType><KeyCount>${end - from}</KeyCount><IsTruncated>${more}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`
}

const bodies = new Map<number, Buffer>()

/** GetObject and HeadObject with `Range: bytes=a-b`: one write of bytes that are there, so that little is faster. */
function sendBytes(size: number, { headers, method }: IncomingMessage, response: ServerResponse): void {
  const whole = bodies.get(size) ?? Buffer.alloc(size, 'sluice')
  bodies.set(size, whole)
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
  const start = Number(first ?? 0)
  const end = Math.min(size - 1, last ? Number(last) : size - 1)
  response.writeHead(first === undefined ? 200 : 206, {
    'Content-Type': 'image/jpeg',
    'Content-Length': end - start + 1,
    ETag: '"d41d8cd98f00b204e9800998ecf8427e"',
    'Last-Modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
    ...(first !== undefined && { 'Content-Range': `bytes ${start}-${end}/${size}` }),
  })
  response.end(method === 'HEAD' ? undefined : whole.subarray(start, end + 1))
}

if (process.argv[1] === self) {
  const server = createServer((request, response) => {
    const size = /^\/bytes-(\d+)\/./.exec(request.url ?? '')?.[1]
    if (size !== undefined) return sendBytes(Number(size), request, response)
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://s3')
    const [, keys, delayMs] = /^\/keys-(\d+)(?:-(\d+))?\/?$/.exec(pathname) ?? []
    const count = Number(keys)
    const body = Number.isNaN(count) ? 'x' : page(count, searchParams)
    response.setHeader('content-type', Number.isNaN(count) ? 'image/jpeg' : 'application/xml')
    response.setHeader('content-length', Buffer.byteLength(body))
    if (delayMs === undefined) response.end(body)
    else setTimeout(() => response.end(body), Number(delayMs))
  })
  process.on('disconnect', () => process.exit())
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
}
