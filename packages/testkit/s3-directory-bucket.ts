import { createHash } from 'node:crypto'

interface Listed {
  contentLength: number
  etag: string
  lastModified: Date
}

const hash = (key: string) => createHash('sha1').update(key).digest('hex')

/** Whether a bucket of this name is a directory bucket (S3 Express One Zone). */
export const isDirectoryBucket = (name: string) => name.endsWith('--x-s3')

/**
 * ListObjectsV2 of a directory bucket as the S3 API reference has it: in no order, continued by token alone, prefixes that end
 * with the delimiter. Undefined for a request that S3 refuses.
 */
export function listDirectoryBucket(
  name: string,
  bucket: Map<string, Listed>,
  query: Record<string, string | undefined>,
): string | undefined {
  const { prefix = '', delimiter = '', 'continuation-token': token, 'start-after': startAfter } = query
  if (startAfter !== undefined || !/^$|\/$/.test(prefix) || !/^\/?$/.test(delimiter)) return undefined
  const limit = Math.min(Number(query['max-keys'] ?? 1000), 1000)
  const entries = new Set<string>()
  for (const key of bucket.keys()) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    entries.add(cut < 0 ? key : key.slice(0, cut + 1))
  }
  const after = token === undefined ? '' : Buffer.from(token, 'base64').toString()
  const left = [...entries].map((entry) => ({ entry, at: hash(entry) })).sort((a, b) => (a.at < b.at ? -1 : 1))
  const rest = left.filter(({ at }) => at > after)
  const page = rest.slice(0, limit)
  const isTruncated = rest.length > page.length
  const encode = (key: string) => encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+')
  const written = page.map(({ entry }) => {
    const object = bucket.get(entry)
    if (!object) return `<CommonPrefixes><Prefix>${encode(entry)}</Prefix></CommonPrefixes>`
    const { contentLength, etag, lastModified } = object
    return (
      `<Contents><Key>${encode(entry)}</Key><LastModified>${lastModified.toISOString()}</LastModified>` +
      `<ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${contentLength}</Size></Contents>`
    )
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>${name}</Name><EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>`,
    isTruncated && `<NextContinuationToken>${Buffer.from(page.at(-1)!.at).toString('base64')}</NextContinuationToken>`,
    ...written,
    '</ListBucketResult>',
  ]
    .filter(Boolean)
    .join('')
}
