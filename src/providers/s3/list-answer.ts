import type { ListObjectsV2Command, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import { textOfKey } from '../key-bytes.ts'
import { isXmlWithin, looksLikeHtml } from '../kit/parse-limits.ts'
import { type Listing, readListing } from './read-listing.ts'

/**
 * Parses the responses to a command with `readListing`. The SDK's parser, which takes nine tenths of the CPU time of a listing,
 * only reads XML that `readListing` does not support. The returned function converts the SDK's output to a `Listing`. A
 * response with more elements than a page of `limit` keys can have is rejected with REMOTE_RESPONSE_TOO_LARGE.
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
      // The SDK takes 3 µs per tag. An object has about 10 elements, each with a start and an end tag.
      const isWithinLimits =
        listing || isXmlWithin(body, { maxParts: Math.min(limit, 200) * 40 + 400, maxDepth: 12, allowsSections: true })
      if (!isWithinLimits) throw new SluiceError(looksLikeHtml(body) ? 'CONSOLE_URL' : 'REMOTE_RESPONSE_TOO_LARGE')
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
  throw new SluiceError('UNEXPECTED_ANSWER', 'The listing contains an object without a key.')
}
