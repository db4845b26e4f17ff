import type { IncomingMessage } from 'node:http'

/** Clients to which the limit on the size of a range applies. */
export type RangeLimitFor = 'MEDIA' | 'ALL' | 'NONE'

/**
 * True if a media element of a browser sent the request (Fetch Metadata, "The Sec-Fetch-Dest HTTP Request Header"). Such an
 * element accepts a 206 that is shorter than the requested range, and requests the next range when it needs it.
 */
export function isMediaElement({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const destination = headers['sec-fetch-dest']
  return destination === 'video' || destination === 'audio' || destination === 'track'
}

/**
 * True if a media element without the attribute `crossorigin` sent the request. Chromium then plays no segment of a playlist that it
 * gets by a redirect to another origin (observed in Chromium 156: MediaError 4).
 */
export function isNoCorsMediaElement(req: Pick<IncomingMessage, 'headers'>): boolean {
  return isMediaElement(req) && req.headers['sec-fetch-mode'] === 'no-cors'
}

/**
 * The maximum bytes of a range for the client of this request. Downloaders and libraries treat the end of a 206 as the end of
 * the requested range, so a shorter response would truncate their files.
 */
export function maxRangeBytesFor(
  req: Pick<IncomingMessage, 'headers'>,
  { maxRangeBytes, rangeLimitFor }: { maxRangeBytes: number; rangeLimitFor: RangeLimitFor },
): number {
  const isLimited = rangeLimitFor === 'ALL' || (rangeLimitFor === 'MEDIA' && isMediaElement(req))
  return isLimited ? maxRangeBytes : Infinity
}
