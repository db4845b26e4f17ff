import { environment } from '@sluice/testkit/egress.ts'
import type { S3Server } from '@sluice/testkit/s3.ts'
import { type Credentials, type Front, type S3Request, startFront } from '@sluice/testkit/s3-front.ts'
import { onTestFinished } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { s3 } from '../../src/providers/s3/kind.ts'

/** The credentials that fronts accept. */
export const keyPair = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }

/** Opens a place as a storage does, its location and secrets checked by the schemas; closed after the test. */
export async function open(
  location: Record<string, unknown>,
  secrets: Record<string, unknown> = keyPair,
): Promise<Provider> {
  const provider = await s3.open(s3.location.parse(location), s3.secrets.parse(secrets), environment)
  onTestFinished(() => provider.close())
  return provider
}

let buckets = 0

interface FrontedOptions {
  objects?: Record<string, string>
  credentials?: Credentials | Credentials[]
  clock?: () => number
  domain?: string
  requesterPays?: boolean
  objectLock?: boolean
  /** Behind the name of the bucket: `--use1-az4--x-s3` makes it a directory bucket. */
  suffix?: string
}

/**
 * A new bucket with `objects` behind a front that checks signatures of `credentials`, by `clock`, and serves `domain`; the
 * front is stopped after the test.
 */
export async function fronted(server: S3Server, options: FrontedOptions = {}) {
  const { objects = {}, suffix = '', ...fronting } = options
  const bucket = `bucket-${++buckets}${suffix}`
  await server.createBucket(bucket)
  const entries = Object.entries(objects).map(([key, body]) => ({ key, body }))
  // The SDK writes the path of a key in a directory bucket with two slashes.
  await (suffix ? server.fill(bucket, entries) : server.putMany(bucket, entries))
  const front = await startFront({ target: server.endpoint, credentials: keyPair, ...fronting })
  onTestFinished(() => front.stop())
  const provider = await open({ bucket, endpoint: front.endpoint })
  return { bucket, front, provider, endpoint: front.endpoint }
}

/** All requests that the front sees from now on. */
export function watch(front: Front): S3Request[] {
  const seen: S3Request[] = []
  front.fail({ times: Infinity, hold: true, match: (request) => seen.push(request) === 0 })
  return seen
}
