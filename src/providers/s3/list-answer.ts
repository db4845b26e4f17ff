import type { ListObjectsV2Command, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import { textOfKey } from '../key-bytes.ts'
import { isModestXml, looksLikeHtml } from '../kit/modest.ts'
import { type Listing, readListing } from './read-listing.ts'

/**
 * Has the answers to a command read by `readListing`, and by the SDK only where that does not know them: nine tenths of the
 * processor time of a listing are the SDK's XML. The function makes the listing of what the SDK gave. A page of `limit` keys
 * has a limited number of elements; one with more is REMOTE_RESPONSE_TOO_LARGE.
 */
export function listingOfAnswers(
  command: ListObjectsV2Command,
  limit: number,
): (answer: ListObjectsV2CommandOutput) => Listing {
  let listing: Listing | undefined
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const response = result.response as { statusCode?: number; body?: unknown }
      listing = undefined
      if (response.statusCode !== 200) return result
      const body = response.body as Buffer
      listing = readListing(textOfKey(body), limit)
      // The SDK takes 3 µs for a tag. An object has about 10 elements, each with its end.
      const isModest =
        listing || isModestXml(body, { maxParts: Math.min(limit, 200) * 40 + 400, maxDepth: 12, allowsSections: true })
      if (!isModest) throw new SluiceError(looksLikeHtml(body) ? 'CONSOLE_URL' : 'REMOTE_RESPONSE_TOO_LARGE')
      response.body = listing ? new Uint8Array() : body
      return result
    },
    { step: 'deserialize', priority: 'low' },
  )
  return (answer) => listing ?? asListing(answer)
}

const asListing = (answer: ListObjectsV2CommandOutput): Listing => ({
  name: answer.Name,
  isTruncated: answer.IsTruncated,
  encoding: answer.EncodingType,
  objects: (answer.Contents ?? []).map((object) => ({
    key: object.Key ?? noKey(),
    size: object.Size ?? 0,
    etag: object.ETag ?? null,
    lastModified: object.LastModified ?? null,
  })),
  lastFolder: answer.CommonPrefixes?.at(-1)?.Prefix,
  token: answer.NextContinuationToken,
})

function noKey(): never {
  throw new SluiceError('UNEXPECTED_ANSWER', 'The listing holds an object without a key.')
}
