import type { IncomingMessage } from 'node:http'

/** Clients to which the limit on the size of a range applies. */
export type RangeLimitFor = 'MEDIA' | 'ALL' | 'NONE'

/**
 * Whether a media element of a browser sent the request (Fetch Metadata, "The Sec-Fetch-Dest HTTP Request Header"). Such an element
 * takes a 206 that is shorter than the range for what it is, and requests the next range when it needs it.
 */
export function isMediaElement({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const destination = headers['sec-fetch-dest']
  return destination === 'video' || destination === 'audio' || destination === 'track'
}

/**
 * Most bytes of a range for the client of this request. Downloaders and libraries treat the end of a 206 as the end of what
 * they requested, so a shorter one would truncate their files.
 */
export function maxRangeBytesFor(
  req: Pick<IncomingMessage, 'headers'>,
  { maxRangeBytes, rangeLimitFor }: { maxRangeBytes: number; rangeLimitFor: RangeLimitFor },
): number {
  const isLimited = rangeLimitFor === 'ALL' || (rangeLimitFor === 'MEDIA' && isMediaElement(req))
  return isLimited ? maxRangeBytes : Infinity
}
