import { text } from 'node:stream/consumers'
import { startAwsCredentials } from '@sluice/testkit/aws-credentials.ts'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { correctClock, setClockWrong, trueNow } from '@sluice/testkit/wrong-clock.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createServerClock } from '../../src/providers/kit/server-clock.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { fronted as azureFronted } from './azure-place.ts'
import { bucketOn } from './gcs-place.ts'
import { fronted, keyPair, open } from './s3-place.ts'

let s3: S3Server
let gcs: GcsServer
let azure: AzureServer
beforeAll(async () => {
  ;[s3, gcs, azure] = await Promise.all([startS3(), startGcs({ clock: trueNow }), startAzure()])
})
afterAll(async () => {
  await Promise.all([s3?.stop(), gcs?.stop(), azure?.stop()])
})

const objects = { 'a.txt': 'hello' }
const openOn: Record<string, () => Promise<Provider>> = {
  S3: async () => (await fronted(s3, { objects, clock: trueNow })).provider,
  GCS: async () => (await bucketOn(gcs, { objects })).provider,
  Azure: async () => (await azureFronted(azure, objects)).provider,
}

/** Fetches a new link, and tells how long it lives by its own words and the true time, in seconds. */
async function fetchLink(provider: Provider, ttlSeconds = 600) {
  const url = await provider.presign!('a.txt', { ttlSeconds })
  const { searchParams: query } = url
  const response = await fetch(url)
  expect([response.status, await response.text()]).toEqual([200, 'hello'])
  const signed = (query.get('X-Amz-Date') ?? query.get('X-Goog-Date') ?? '').replace(
    /^(....)(..)(..T..)(..)/,
    '$1-$2-$3:$4:',
  )
  const seconds = Number(query.get('X-Amz-Expires') ?? query.get('X-Goog-Expires'))
  const end = query.has('se') ? Date.parse(query.get('se')!) : Date.parse(signed) + seconds * 1000
  return (end - trueNow()) / 1000
}

async function useAll(provider: Provider): Promise<void> {
  await provider.check()
  expect(await text((await provider.read('a.txt')).body)).toBe('hello')
  await provider.write('b.txt', Buffer.from('x'))
  await provider.remove('b.txt')
}

describe.for(Object.keys(openOn))('%s: the clock of this machine', (name) => {
  test.for([24, -24])(
    'is corrected after it was wrong by %i h: everything works at once, links first',
    async (hours) => {
      setClockWrong(hours)
      const provider = await openOn[name]!()
      // The storage may refuse everything while the clock is wrong.
      await useAll(provider).catch(() => {})
      await provider.presign!('a.txt', { ttlSeconds: 600 }).catch(() => {})
      correctClock()
      const lives = await fetchLink(provider)
      expect(Math.abs(lives - 600)).toBeLessThan(60)
      await useAll(provider)
      expect(Math.abs((await fetchLink(provider)) - 600)).toBeLessThan(60)
    },
  )

  test('is set back 24 h while the storage is in use: links keep their lifetime', async () => {
    const provider = await openOn[name]!()
    await useAll(provider)
    setClockWrong(-24)
    expect(Math.abs((await fetchLink(provider)) - 600)).toBeLessThan(60)
    correctClock()
    expect(Math.abs((await fetchLink(provider)) - 600)).toBeLessThan(60)
  })
})

describe('S3: the offset of a clock that was wrong', () => {
  test.for([24, -24])(
    'of %i h is not retained: the first listing, read and write after its correction work',
    async (hours) => {
      for (const first of ['list', 'read', 'write', 'remove', 'head'] as const) {
        // The clock of the server changes, which to the provider is the same as a change of its own.
        let ahead = hours * 3_600_000
        const { provider } = await fronted(s3, { objects, clock: () => Date.now() + ahead })
        await useAll(provider)
        ahead = 0
        const run = {
          list: () => provider.list({ cursor: null, limit: 10, recursive: true }),
          read: async () => (await provider.read('a.txt')).body.destroy(),
          write: () => provider.write('c', Buffer.from('x')),
          remove: () => provider.remove('c'),
          head: () => provider.head('a.txt'),
        }[first]
        await run()
        await useAll(provider)
        await fetchLink(provider)
      }
    },
  )

  test('of STS is not retained either', async () => {
    let ahead = 24 * 3_600_000
    const clock = () => Date.now() + ahead
    const roleArn = 'arn:aws:iam::123456789012:role/reader'
    // The SDK renews a session of 2 minutes for each request.
    const aws = await startAwsCredentials({ lifetimeSeconds: 120, base: keyPair, roles: { [roleArn]: {} }, clock })
    onTestFinished(() => aws.stop())
    const { bucket, endpoint } = await fronted(s3, { objects, credentials: aws.issued, clock })
    const provider = await open({ bucket, endpoint, region: 'us-east-1', roleArn, stsEndpoint: aws.endpoint })
    await useAll(provider)
    ahead = 0
    await useAll(provider)
  })

  test('does not reuse a session that has expired by the clock of the storage', async () => {
    let ahead = 24 * 3_600_000
    const clock = () => Date.now() + ahead
    const roleArn = 'arn:aws:iam::123456789012:role/reader'
    const aws = await startAwsCredentials({ lifetimeSeconds: 1200, base: keyPair, roles: { [roleArn]: {} }, clock })
    onTestFinished(() => aws.stop())
    const { bucket, endpoint } = await fronted(s3, { objects, credentials: aws.issued, clock })
    const provider = await open({ bucket, endpoint, region: 'us-east-1', roleArn, stsEndpoint: aws.endpoint })
    await useAll(provider)
    ahead += 1_300_000
    await useAll(provider)
    expect(aws.issued.length).toBeGreaterThan(1)
  })
})

test('GCS: an access token that is refused is replaced once, and a second refusal is BAD_CREDENTIALS', async () => {
  const { provider } = await bucketOn(gcs, { objects })
  await provider.check()
  const before = gcs.counts.token!
  const once = gcs.fail({ status: 401, reason: 'authError' })
  await provider.check()
  expect([once.hits, gcs.counts.token! - before]).toEqual([1, 1])
  const always = gcs.fail({
    status: 401,
    reason: 'authError',
    times: Infinity,
    match: ({ operation }) => operation !== 'token',
  })
  onTestFinished(() => always.release())
  await expect(provider.check()).rejects.toMatchObject({ code: 'BAD_CREDENTIALS' })
  expect(always.hits).toBe(2)
})

describe('the clock of a storage', () => {
  /** A clock on a machine whose two clocks are moved by hand, in minutes. */
  function machine() {
    const state = { now: 0, elapsed: 0 }
    const minutes = (name: 'now' | 'elapsed') => () => state[name] * 60_000
    const clock = createServerClock({ now: minutes('now'), elapsed: minutes('elapsed') })
    return {
      clock,
      learn: (aheadMinutes: number) => clock.update(new Date((state.now + aheadMinutes) * 60_000).toUTCString()),
      pass: (by: number) => Object.assign(state, { now: state.now + by, elapsed: state.elapsed + by }),
      set: (by: number) => Object.assign(state, { now: state.now + by }),
      offset: () => (clock.now() - state.now * 60_000) / 60_000,
    }
  }

  test('is not requested before a response has contained it', () => {
    const { clock, offset } = machine()
    expect([clock.isDoubtful, offset()]).toEqual([false, 0])
    clock.update('nonsense')
    clock.update(undefined)
    expect([clock.isDoubtful, offset()]).toEqual([false, 0])
  })

  test('is that of this machine if they differ by less than 4 minutes, however old the measurement is', () => {
    const { clock, learn, pass, offset } = machine()
    learn(3)
    expect([clock.isDoubtful, offset()]).toEqual([false, 0])
    pass(10_000)
    expect([clock.isDoubtful, offset()]).toEqual([false, 0])
  })

  test('is used if they differ by more, and measured again after 10 seconds', () => {
    const { clock, learn, pass, offset } = machine()
    learn(60)
    expect([clock.isDoubtful, offset()]).toEqual([false, 60])
    pass(1)
    expect(clock.isDoubtful).toBe(true)
    learn(60)
    expect([clock.isDoubtful, offset()]).toEqual([false, 60])
  })

  test('is measured again after the clock of this machine was set', () => {
    const { clock, learn, set, offset } = machine()
    for (const by of [-1440, 1440]) {
      learn(60)
      set(by)
      expect([clock.isDoubtful, offset()]).toEqual([true, 0])
    }
  })
})
