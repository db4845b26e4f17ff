import { startAzure } from '@sluice/testkit/azure.ts'
import { startClockFront } from '@sluice/testkit/clock-front.ts'
import { environment } from '@sluice/testkit/egress.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'
import { checkConnection } from '../../src/storages/check.ts'

interface Server {
  endpoint: string
  location: object
  secrets: object
  stop(): Promise<unknown>
}

const start: Record<string, () => Promise<Server>> = {
  async S3() {
    const server = await startS3()
    await server.createBucket('photos')
    await server.put('photos', 'a', 'x')
    const secrets = { accessKeyId: 'a', secretAccessKey: 'b' }
    return { endpoint: server.endpoint, location: { bucket: 'photos' }, secrets, stop: () => server.stop() }
  },
  async GCS() {
    const server = await startGcs()
    server.createBucket('photos', { isPublic: true })
    server.put('photos', 'a', 'x')
    const location = { bucket: 'photos', anonymous: true }
    return { endpoint: server.endpoint, location, secrets: {}, stop: async () => server.stop() }
  },
  async AZURE_BLOB() {
    const server = await startAzure()
    const container = await server.createContainer('photos')
    await container.getBlockBlobClient('a').upload('x', 1)
    const { endpoint, account, accountKey } = server
    return { endpoint, location: { account, container: 'photos' }, secrets: { accountKey }, stop: () => server.stop() }
  },
}

describe.for(Object.keys(start) as ProviderName[])('the clock, in the check of %s,', (name) => {
  let server: Server
  beforeAll(async () => {
    server = await start[name]!()
  })
  afterAll(() => server?.stop())

  /** The last step of a check of the storage, whose clock is so many minutes ahead of ours. */
  const clockStep = async (minutes: number) => {
    const front = await startClockFront(server.endpoint, () => Date.now() + minutes * 60_000)
    onTestFinished(() => front.stop())
    const kind: ProviderKind = providers[name]
    const place = kind.location.parse({ ...server.location, endpoint: front.endpoint })
    const steps = await checkConnection({
      ...environment,
      provider: name,
      direction: 'IMPORT',
      prefix: '',
      open: () => kind.open(place, kind.secrets.parse(server.secrets), environment),
      takes: () => true,
      readsTasks: false,
      recursive: true,
      presigns: false,
      publicEndpoint: false,
    })
    return steps.at(-1)!
  }

  it.for([
    [17, "This server's clock is 17 minutes behind the storage's."],
    [-60, "This server's clock is 60 minutes ahead of the storage's."],
  ] as const)('is CLOCK_SKEW when the storage is %i minutes ahead', async ([minutes, message]) => {
    expect(await clockStep(minutes)).toMatchObject({
      name: 'CLOCK',
      status: 'FAILED',
      code: 'CLOCK_SKEW',
      message,
      hint: expect.stringContaining('clock'),
    })
  })

  it.for([-14, 0, 14])('is fine when the storage is %i minutes ahead', async (minutes) => {
    expect(await clockStep(minutes)).toMatchObject({ name: 'CLOCK', status: 'OK', code: null, hint: null })
  })
})
