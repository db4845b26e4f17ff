import { hash } from 'node:crypto'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { clientConfig } from '../../../src/providers/s3/client-config.ts'
import { credentialsConfig } from '../../../src/providers/s3/credentials.ts'
import type { S3Location, S3Secrets } from '../../../src/providers/s3/location.ts'
import { localEgress } from '../egress.ts'

/**
 * Makes a function that puts an object into a bucket whose bytes do not match its Content-MD5, as when they are damaged on their
 * way. It rejects if the server refuses the object.
 */
export function damagedPut(place: S3Location, secrets: S3Secrets): (key: string, body: Buffer) => Promise<void> {
  return async (key, body) => {
    const client = new S3Client({
      ...clientConfig(place, place.endpoint, localEgress),
      ...credentialsConfig(place, secrets, localEgress),
      region: place.region === 'AUTO' ? 'us-east-1' : place.region,
      maxAttempts: 1,
    })
    try {
      const ContentMD5 = hash('md5', Buffer.concat([body, Buffer.from('!')]), 'base64')
      await client.send(new PutObjectCommand({ Bucket: place.bucket, Key: key, Body: body, ContentMD5 }))
    } finally {
      client.destroy()
    }
  }
}
