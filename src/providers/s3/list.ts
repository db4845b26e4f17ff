import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import { percentDecoded, textBefore } from '../key-bytes.ts'
import { compareKeys } from '../key-order.ts'
import { folderOf } from '../kit/folder-of.ts'
import { listSmaller } from '../kit/smaller-page.ts'
import { cursorToken, noProgress, tokenCursor } from '../kit/token-cursor.ts'
import type { ListPage, Provider } from '../provider.ts'
import { isDirectoryBucket } from './checksum.ts'
import type { S3Location } from './location.ts'
import type { Listing } from './read-listing.ts'

type ListOptions = Parameters<Provider['list']>[0]

// Appended to a folder, it sorts after every key in the folder, so a listing that starts after it skips the folder.
const afterFolder = '\u{10ffff}'

/** The LIST request for a page. */
export function listCommand(
  { bucket, prefix, requestPayer }: S3Location,
  { cursor, limit, recursive }: Pick<ListOptions, 'cursor' | 'limit' | 'recursive'>,
): ListObjectsV2Command {
  const from =
    cursor === null
      ? {}
      : isDirectoryBucket(bucket)
        ? { ContinuationToken: cursorToken(cursor) }
        : { StartAfter: textBefore(cursor) }
  return new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: recursive ? prefix : folderOf(prefix),
    MaxKeys: limit,
    EncodingType: 'url',
    ...from,
    ...(!recursive && { Delimiter: '/' }),
    ...(requestPayer && { RequestPayer: 'requester' }),
  })
}

/** Converts the listing that `send` returns to a page of `Provider.list`. */
export async function listPage(
  { bucket }: S3Location,
  { cursor, limit }: Pick<ListOptions, 'cursor' | 'limit'>,
  send: (limit: number) => Promise<Listing>,
): Promise<ListPage> {
  const { objects: listed, isTruncated, lastFolder, encoding, token } = await listSmaller(limit, send)
  const decode = encoding === 'url' ? decodeKey : (key: string) => key
  for (const object of listed) object.key = decode(object.key)
  if (isDirectoryBucket(bucket)) {
    const next = isTruncated ? tokenCursor(token) : null
    if (isTruncated && (next === null || next === cursor)) throw noProgress()
    return { objects: listed, cursor: next }
  }
  // A request can hold text only. After a key that is not text, the listing starts slightly earlier.
  const isBefore = cursor !== null && textBefore(cursor) !== cursor
  const objects = isBefore ? listed.filter(({ key }) => compareKeys(key, cursor) > 0) : listed
  if (!isTruncated) return { objects, cursor: null }
  const lastKey = listed.at(-1)?.key ?? ''
  const isAfterFolder = lastFolder ? decode(lastFolder) + afterFolder : ''
  const last = compareKeys(isAfterFolder, lastKey) > 0 ? isAfterFolder : lastKey
  if (!last || last === cursor || (isBefore && compareKeys(last, cursor) <= 0)) throw noProgress()
  return { objects, cursor: last }
}

/**
 * Decodes a key. Servers percent-encode keys, with `+` for a space (EncodingType=url of ListObjectsV2), so that XML can carry
 * any key. Most keys contain no encoded characters. A server without this feature omits EncodingType from its response. Servers
 * that store objects as files list names that are not UTF-8.
 */
function decodeKey(key: string): string {
  if (!/[%+]/.test(key)) return key
  const decoded = percentDecoded(key.replaceAll('+', ' '))
  if (decoded !== undefined) return decoded
  throw new SluiceError('UNEXPECTED_ANSWER', 'The listing contains a key that is not encoded as it says.')
}
