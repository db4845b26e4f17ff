import type { ErrorCode } from '../../errors.ts'

/** Advice for errors of S3 (Amazon S3 user guide, "Policies and permissions"). */
export const hints: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS: 'Copy the access key id and the secret again; with temporary keys add the session token.',
  DENIED:
    'Attach this policy to the key or role: {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":' +
    '["s3:ListBucket","s3:GetObject"],"Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"]}]}. ' +
    'Exports also need s3:PutObject and s3:DeleteObject. If the requester pays in this bucket, set requestPayer.',
  CONSOLE_URL:
    'Use the URL of the S3 API, not the page on which you manage buckets. MinIO: often port 9000 instead of 9001.',
}

/**
 * The CORS rule of a bucket (Amazon S3 user guide, "Elements of a CORS configuration"). It allows any origin, because browsers
 * send the origin `null` after a redirect from another site (Fetch standard, "redirect-tainted origin"). The signature decides
 * who may read.
 */
export const corsRule =
  '[{"AllowedOrigins":["*"],"AllowedMethods":["GET","HEAD"],"AllowedHeaders":["*"],"ExposeHeaders":["Accept-Ranges",' +
  '"Content-Length","Content-Range","ETag"],"MaxAgeSeconds":3600}] (bucket → Permissions → Cross-origin resource sharing).'
