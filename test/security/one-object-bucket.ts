import type { IncomingMessage, ServerResponse } from 'node:http'

/** The bytes of the object `key` in the bucket `bucket`. */
export const objectBody = 'the only object'

/** Answers as S3 does for a bucket with one object, to whoever asks: no signature is checked. Each response ends its connection. */
export function answerAsBucket(
  request: IncomingMessage,
  response: ServerResponse,
  {
    listed,
    signedUrlLeadsTo,
  }: {
    /** Is called for each listing that is asked for. */
    listed?: () => void
    /** Redirects a signed URL. */
    signedUrlLeadsTo?: { status: number; location: string } | undefined
  },
): void {
  const { searchParams } = new URL(request.url!, 'http://bucket.test')
  const send = (status: number, headers: Record<string, string>, body: string) =>
    response.writeHead(status, { connection: 'close', 'content-length': String(body.length), ...headers }).end(body)
  const etag = '"0123456789abcdef0123456789abcdef"'
  const time = new Date(1_700_000_000_000)
  if (searchParams.has('list-type')) {
    listed?.()
    const entry = `<Contents><Key>key</Key><LastModified>${time.toISOString()}</LastModified><ETag>${etag}</ETag><Size>${objectBody.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
    const page = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${entry}</ListBucketResult>`
    return void send(200, { 'content-type': 'application/xml' }, page)
  }
  if (searchParams.has('X-Amz-Signature') && signedUrlLeadsTo) {
    return void send(signedUrlLeadsTo.status, { location: signedUrlLeadsTo.location }, '')
  }
  send(200, { 'content-type': 'text/plain', etag, 'last-modified': time.toUTCString() }, objectBody)
}
