import { text } from 'node:stream/consumers'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import type { Front, S3Request } from '@sluice/testkit/s3-front.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fronted, open, watch } from './s3-place.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

const home = 'eu-west-3'

/** The region that a request is signed for. */
const regionOf = ({ url, headers }: S3Request) =>
  /(?:Credential=|Credential%3D)[^/%]+(?:\/|%2F)\d+(?:\/|%2F)([\w-]+)/.exec(`${url} ${headers.authorization}`)?.[1]

const xml = (code: string, inner = '') => `<Error><Code>${code}</Code><Message>no</Message>${inner}</Error>`
const header = { 'content-type': 'application/xml', 'x-amz-bucket-region': home }

const refusals = {
  '301 PermanentRedirect with the header': { status: 301, headers: header, body: xml('PermanentRedirect') },
  '301 without a body': { status: 301, headers: header, body: '' },
  '400 AuthorizationHeaderMalformed with the header': {
    status: 400,
    headers: header,
    body: xml('AuthorizationHeaderMalformed'),
  },
  '400 AuthorizationHeaderMalformed that names it in the body only': {
    status: 400,
    headers: { 'content-type': 'application/xml' },
    body: xml('AuthorizationHeaderMalformed', `<Region>${home}</Region>`),
  },
  '301 PermanentRedirect that names an endpoint only': {
    status: 301,
    headers: { 'content-type': 'application/xml' },
    body: xml('PermanentRedirect', `<Endpoint>bucket.s3.${home}.amazonaws.com</Endpoint>`),
  },
}

/** A bucket that answers in no region but its own. */
async function bucketElsewhere(answer: (typeof refusals)[keyof typeof refusals]) {
  const place = await fronted(server, { objects: { 'a.txt': 'hello' } })
  place.front.fail({ times: Infinity, answer, match: (request) => regionOf(request) !== home })
  return { ...place, seen: watch(place.front) }
}

test.for(Object.entries(refusals))('S3: region AUTO adopts the region of %s, and caches it', async ([, answer]) => {
  const { provider, front } = await bucketElsewhere(answer)
  await provider.check()
  expect(await text((await provider.read('a.txt')).body)).toBe('hello')
  await provider.write('b.txt', Buffer.from('x'))
  await provider.remove('b.txt')
  expect(front.counts).toEqual({ ListObjectsV2: 2, GetObject: 1, PutObject: 1, DeleteObject: 1 })
})

test.for(['read', 'write', 'remove'] as const)(
  'S3: region AUTO is also detected by %s as the first request',
  async (method) => {
    const { provider, seen } = await bucketElsewhere(refusals['301 PermanentRedirect with the header'])
    if (method === 'read') expect(await text((await provider.read('a.txt')).body)).toBe('hello')
    if (method === 'write') await provider.write('b.txt', Buffer.from('x'))
    if (method === 'remove') await provider.remove('a.txt')
    expect(seen.map(regionOf)).toEqual([home])
  },
)

test('S3: a URL that is signed before any request is signed for the correct region', async () => {
  const { provider, front } = await bucketElsewhere(refusals['400 AuthorizationHeaderMalformed with the header'])
  const urls = await Promise.all([1, 2, 3].map(() => provider.presign!('a.txt', { ttlSeconds: 60 })))
  for (const url of urls) expect(await (await fetch(url)).text()).toBe('hello')
  expect(front.counts).toEqual({ ListObjectsV2: 2, GetObject: 3 })
})

test('S3: concurrent requests that are all refused for the wrong region all succeed', async () => {
  const { provider } = await bucketElsewhere(refusals['301 without a body'])
  const bodies = Array.from({ length: 40 }, async () => text((await provider.read('a.txt')).body))
  expect(new Set(await Promise.all(bodies))).toEqual(new Set(['hello']))
})

test('S3: a user without the permission to list can sign URLs', async () => {
  const { front, provider } = await fronted(server, { objects: { 'a.txt': 'hello' } })
  denyListing(front)
  const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
  expect(await (await fetch(url)).text()).toBe('hello')
  await expect(provider.check()).rejects.toMatchObject({ code: 'DENIED' })
})

function denyListing(front: Front) {
  front.fail({
    times: Infinity,
    status: 403,
    code: 'AccessDenied',
    match: (request) => request.operation === 'ListObjectsV2',
  })
}

test('S3: a URL is not signed for a guessed region if the endpoint does not respond', async () => {
  const { front, provider } = await fronted(server)
  await front.stop()
  const presign = provider.presign!('a.txt', { ttlSeconds: 60 })
  await expect(presign).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
})

test('S3: a configured region is not replaced; WRONG_REGION names the correct one', async () => {
  const { bucket, endpoint, seen } = await bucketElsewhere(refusals['301 PermanentRedirect with the header'])
  const provider = await open({ bucket, endpoint, region: 'us-west-2' })
  const message = expect.stringMatching(/in region eu-west-3, not in us-west-2/)
  await expect(provider.check()).rejects.toMatchObject({ code: 'WRONG_REGION', message })
  await expect(provider.read('a.txt')).rejects.toMatchObject({ code: 'WRONG_REGION', message })
  expect(seen).toEqual([])
})

test('S3: a server that redirects from region to region is WRONG_REGION, not an endless loop', async () => {
  const { front, provider } = await fronted(server)
  const names = ['eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-west-4']
  for (const name of names) {
    const headers = { 'x-amz-bucket-region': name }
    front.fail({ answer: { status: 301, headers, body: '' } })
  }
  await expect(provider.check()).rejects.toMatchObject({ code: 'WRONG_REGION' })
  expect(front.counts).toEqual({ ListObjectsV2: 2 })
})
