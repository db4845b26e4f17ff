// The S3 emulator as a process of its own, so that its work neither blocks nor is measured with the program under test.
// Started by `startS3`, which it does not outlive.
import type { AddressInfo } from 'node:net'
import { buildApp } from 'fauxqs'
import { isDirectoryBucket, listDirectoryBucket } from './s3-directory-bucket.ts'

type Stores = NonNullable<NonNullable<Parameters<typeof buildApp>[0]>['stores']>
type StoredObject = ReturnType<Stores['s3Store']['headObject']>
/** With the objects, which its declaration calls private. */
type Store = Pick<Stores['s3Store'], 'createBucket' | 'putObject'> & { buckets: Map<string, Map<string, StoredObject>> }

/** What to make in a bucket without going through HTTP. */
export interface Seed {
  count: number
  /** The keys are `prefix`, the running number with eight digits, and `suffix`. */
  prefix?: string
  suffix?: string
  /** Bytes of each object; ignored when `body` is given. */
  size?: number
  /** The text of each object, with the running number for every `{n}`. */
  body?: string
  contentType?: string
  /** The first running number. */
  from?: number
}

/** Objects to make in a bucket without going through HTTP; bodies in base64. */
export type Fill = { key: string; body: string }[]

export type Order = { id: number; bucket: string } & ({ seed: Seed } | { fill: Fill })
export type Report = { port: number } | { id: number; error?: string }

/** A bucket that keeps its keys sorted between writes, since a listing of 100,000 keys asks for them 100 times. */
class Bucket extends Map<string, StoredObject> {
  #sorted: string[] | undefined
  override set(key: string, object: StoredObject) {
    if (!this.has(key)) this.#sorted = undefined
    return super.set(key, object)
  }
  override delete(key: string) {
    this.#sorted = undefined
    return super.delete(key)
  }
  override clear() {
    this.#sorted = undefined
    super.clear()
  }
  get sorted(): string[] {
    this.#sorted ??= sortBytes([...this.keys()])
    return this.#sorted
  }
}

function sortBytes(keys: string[]): string[] {
  // Only surrogates sort otherwise as UTF-16 units than as UTF-8 bytes.
  if (!keys.some((key) => /[\ud800-\udfff]/.test(key))) return keys.sort()
  return keys
    .map((key) => Buffer.from(key))
    .sort(Buffer.compare)
    .map(String)
}

/** Index of the first key of `keys` for which `isBehind` holds; it holds for all keys after that one too. */
function firstWhere(keys: string[], isBehind: (key: string) => boolean): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBehind(keys[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}

const bytesAfter = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0

/**
 * ListObjectsV2 as the S3 API reference has it. The emulator's own sorts by locale but continues by UTF-16 units, which
 * loses keys between pages, and it ignores `encoding-type`, without which XML cannot carry control characters.
 */
function listObjects(name: string, bucket: Bucket, query: Record<string, string | undefined>): string {
  const { prefix = '', delimiter = '', 'continuation-token': token, 'start-after': startAfter = '' } = query
  const limit = Math.min(Number(query['max-keys'] ?? 1000), 1000)
  const after = token === undefined ? startAfter : Buffer.from(token, 'base64url').toString()
  const keys = bucket.sorted
  const isPast = (key: string) => bytesAfter(key, after) && (bytesAfter(key, prefix) || key === prefix)
  const text = (key: string) => escapeXml(query['encoding-type'] === 'url' ? urlEncode(key) : key)
  const contents: string[] = []
  const folders: string[] = []
  let last = ''
  let at = after === '' && prefix === '' ? 0 : firstWhere(keys, isPast)
  while (at < keys.length && keys[at]!.startsWith(prefix) && contents.length + folders.length < limit) {
    const key = keys[at]!
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    if (cut >= 0) {
      const folder = key.slice(0, cut + delimiter.length)
      folders.push(`<CommonPrefixes><Prefix>${text(folder)}</Prefix></CommonPrefixes>`)
      at = firstWhere(keys, (other) => bytesAfter(other, folder) && !other.startsWith(folder))
    } else {
      const { contentLength, etag, lastModified } = bucket.get(key)!
      contents.push(
        `<Contents><Key>${text(key)}</Key><LastModified>${lastModified.toISOString()}</LastModified>` +
          `<ETag>${escapeXml(etag)}</ETag><Size>${contentLength}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
      )
      at++
    }
    last = keys[at - 1]!
  }
  const isTruncated = limit > 0 && at < keys.length && keys[at]!.startsWith(prefix)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>${name}</Name><Prefix>${text(prefix)}</Prefix><MaxKeys>${limit}</MaxKeys>`,
    delimiter && `<Delimiter>${text(delimiter)}</Delimiter>`,
    query['encoding-type'] === 'url' && '<EncodingType>url</EncodingType>',
    `<KeyCount>${contents.length + folders.length}</KeyCount><IsTruncated>${isTruncated}</IsTruncated>`,
    isTruncated && `<NextContinuationToken>${Buffer.from(last).toString('base64url')}</NextContinuationToken>`,
    ...contents,
    ...folders,
    '</ListBucketResult>',
  ]
    .filter(Boolean)
    .join('')
}

const urlEncode = (key: string) => encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+')

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must be escaped
const escapeXml = (text: string) => text.replace(/[&<>"'\x00-\x1f]/g, (char) => `&#${char.charCodeAt(0)};`)

function seed(store: Store, bucket: string, options: Seed): void {
  const { count, prefix = '', suffix = '.bin', size = 0, body, contentType, from = 0 } = options
  const shared = Buffer.alloc(size, 'x')
  for (let n = from; n < from + count; n++) {
    const bytes = body === undefined ? shared : Buffer.from(body.replaceAll('{n}', String(n)))
    store.putObject(bucket, `${prefix}${String(n).padStart(8, '0')}${suffix}`, bytes, contentType)
  }
}

// The package exports no store class, but one can be handed in and so be reached from here.
const { S3Store } = await import(new URL('./s3/s3Store.js', import.meta.resolve('fauxqs')).href)
const store: Store = new S3Store()
const createBucket = store.createBucket.bind(store)
store.createBucket = (name, type) => {
  createBucket(name, type)
  if (!(store.buckets.get(name) instanceof Bucket)) store.buckets.set(name, new Bucket())
}

const app = buildApp({ logger: false, stores: { s3Store: store } as unknown as Stores })

// S3 takes bodies of up to 5 GB; the emulator stops at 11 MB.
app.removeContentTypeParser('*')
app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: 2 ** 31 }, (_request, body, done) => done(null, body))

app.addHook('onRequest', (request, reply, done) => {
  const { bucket: name = '', '*': key = '' } = (request.params ?? {}) as { bucket?: string; '*'?: string }
  const query = request.query as Record<string, string | undefined>
  const bucket = store.buckets.get(name)
  if (request.method === 'GET' && key === '' && query['list-type'] === '2' && bucket instanceof Bucket) {
    const isDirectory = isDirectoryBucket(name)
    const body = isDirectory ? listDirectoryBucket(name, bucket, query) : listObjects(name, bucket, query)
    reply
      .code(body ? 200 : 501)
      .type('application/xml')
      .send(body ?? '<Error><Code>NotImplemented</Code></Error>')
    return
  }
  // A suffix longer than the object means all of it (RFC 9110 §14.1.2); the emulator refuses it.
  const suffix = /^bytes=-([1-9]\d*)$/.exec(request.headers.range ?? '')
  if (suffix && Number(suffix[1]) > (bucket?.get(key)?.contentLength ?? Infinity)) request.headers.range = 'bytes=0-'
  done()
})

app.addHook('onSend', (request, reply, payload, done) => {
  const type = (request.query as Record<string, string | undefined>)['response-content-type']
  if (type && reply.statusCode < 300) reply.type(type)
  const cache = (request.query as Record<string, string | undefined>)['response-cache-control']
  if (cache && reply.statusCode < 300) reply.header('cache-control', cache)
  done(null, payload)
})

process.on('disconnect', () => process.exit())
// Ctrl-C in a terminal reaches us, too, but those who started us may still need us.
process.on('SIGINT', () => {})
process.on('message', ({ id, bucket, ...order }: Order) => {
  try {
    if ('seed' in order) seed(store, bucket, order.seed)
    else for (const { key, body } of order.fill) store.putObject(bucket, key, Buffer.from(body, 'base64'))
    process.send!({ id } satisfies Report)
  } catch (error) {
    process.send!({ id, error: String(error) } satisfies Report)
  }
})

await app.listen({ port: Number(process.argv[2] ?? 0), host: '127.0.0.1' })
process.send!({ port: (app.server.address() as AddressInfo).port } satisfies Report)
