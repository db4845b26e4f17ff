import { environment } from '@sluice/testkit/egress.ts'
import type { GcsServer } from '@sluice/testkit/gcs.ts'
import { onTestFinished } from 'vitest'
import { gcs } from '../../src/providers/gcs/kind.ts'
import type { Provider } from '../../src/providers/provider.ts'

/** Opens a place as a storage does, its location and secrets checked by the schemas; closed after the test. */
export async function open(
  location: Record<string, unknown>,
  secrets: Record<string, unknown> = {},
): Promise<Provider> {
  const [place, keys] = [gcs.location.parse(location), gcs.secrets.parse(secrets)]
  const provider = await gcs.open(place, keys, environment)
  onTestFinished(() => provider.close())
  return provider
}

let buckets = 0

/** A new bucket with `objects` and a service account that may do everything in it. */
export async function bucketOn(
  server: GcsServer,
  options: { objects?: Record<string, string>; isPublic?: boolean; requesterPays?: boolean } = {},
) {
  const { objects = {}, ...kind } = options
  const bucket = `bucket-${++buckets}`
  server.createBucket(bucket, kind)
  for (const [key, body] of Object.entries(objects)) server.put(bucket, key, body)
  const serviceAccountJson = server.newAccount().keyFile
  const { endpoint } = server
  const provider = await open({ bucket, endpoint }, { serviceAccountJson })
  return { bucket, endpoint, provider, serviceAccountJson }
}
