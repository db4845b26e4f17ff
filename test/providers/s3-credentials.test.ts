import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startAwsCredentials } from '@sluice/testkit/aws-credentials.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { s3 } from '../../src/providers/s3/kind.ts'
import { fronted, keyPair, open } from './s3-place.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

const roleArn = 'arn:aws:iam::123456789012:role/reader'

/** Credential services, and a bucket behind a front that accepts nothing but what they hand out. */
async function withSessions(options: Omit<Parameters<typeof startAwsCredentials>[0], 'lifetimeSeconds'>) {
  const aws = await startAwsCredentials({ lifetimeSeconds: 1200, ...options })
  onTestFinished(() => aws.stop())
  const objects = { 'a.txt': 'hello', 'b.txt': 'there' }
  const { bucket, endpoint } = await fronted(server, { objects, credentials: aws.issued })
  return { aws, place: { bucket, endpoint, region: 'eu-west-3' } }
}

/** That `url` works, and until when at the latest. */
async function provenEnd(url: string | URL): Promise<number> {
  expect(await (await fetch(url)).text()).toBe('hello')
  const query = new URL(url).searchParams
  const signed = query.get('X-Amz-Date')!.replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:')
  return Date.parse(signed) + Number(query.get('X-Amz-Expires')) * 1000
}

describe('S3: a role', () => {
  const role = { [roleArn]: { externalId: 'of-ours' } }

  test('is assumed once for many requests, with the key pair and the external id', async () => {
    const { aws, place } = await withSessions({ base: keyPair, roles: role })
    const provider = await open({ ...place, roleArn, externalId: 'of-ours', stsEndpoint: aws.endpoint })
    await provider.check()
    expect(await text((await provider.read('a.txt')).body)).toBe('hello')
    await provider.write('c.txt', Buffer.from('new'))
    await provider.remove('c.txt')
    expect(aws.seen).toEqual(['AssumeRole'])
  })

  test('limits the lifetime of its URLs to its session', async () => {
    const { aws, place } = await withSessions({ base: keyPair, roles: role })
    const provider = await open({ ...place, roleArn, externalId: 'of-ours', stsEndpoint: aws.endpoint })
    const expiration = () => aws.issued[0]!.expiration!.getTime()
    const capped = await provenEnd(await provider.presign!('a.txt', { ttlSeconds: 7 * 86_400 }))
    expect(capped).toBeLessThanOrEqual(expiration())
    expect(capped).toBeGreaterThan(expiration() - 5_000)
    expect(await provenEnd(await provider.presign!('a.txt', { ttlSeconds: 60 }))).toBeLessThan(Date.now() + 61_000)
  })

  test.for([
    { wrong: 'external id', location: { externalId: 'of-others' }, secrets: keyPair, code: 'DENIED' },
    { wrong: 'role', location: { roleArn: `${roleArn}s` }, secrets: keyPair, code: 'DENIED' },
    { wrong: 'key id', location: {}, secrets: { ...keyPair, accessKeyId: 'UNKNOWN' }, code: 'BAD_CREDENTIALS' },
    { wrong: 'secret', location: {}, secrets: { ...keyPair, secretAccessKey: 'wrong' }, code: 'BAD_CREDENTIALS' },
    { wrong: 'port', location: { stsEndpoint: 'http://127.0.0.1:2' }, secrets: keyPair, code: 'CONNECTION_REFUSED' },
  ])('with a wrong $wrong is $code in every method', async ({ location, secrets, code }) => {
    const { aws, place } = await withSessions({ base: keyPair, roles: role })
    const asked = { ...place, roleArn, externalId: 'of-ours', stsEndpoint: aws.endpoint, ...location }
    const provider = await open(asked, secrets)
    await expect(provider.check()).rejects.toMatchObject({ code })
    await expect(provider.read('a.txt')).rejects.toMatchObject({ code })
    await expect(provider.presign!('a.txt', { ttlSeconds: 60 })).rejects.toMatchObject({ code })
  })

  test('that cannot be assumed is named in the message, without the secret', async () => {
    const { aws, place } = await withSessions({ base: keyPair })
    const provider = await open({ ...place, roleArn, stsEndpoint: aws.endpoint })
    const fault = await provider.check().catch((error) => error)
    expect(fault.message).toContain(roleArn)
    expect(JSON.stringify(fault) + fault.message + fault.cause.message).not.toContain(keyPair.secretAccessKey)
  })
})

const run = promisify(execFile)

/** What a process prints that has these variables and nothing else of this machine's settings. */
async function inChild(env: Record<string, string>, location: object, ttlSeconds = 86_400) {
  const home = await mkdtemp(join(tmpdir(), 'sluice-aws-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const script = fileURLToPath(new URL('../../packages/testkit/s3-child.ts', import.meta.url))
  const { stdout } = await run(process.execPath, [script, JSON.stringify({ location, ttlSeconds })], {
    env: { PATH: process.env.PATH, HOME: home, ...env },
  })
  return JSON.parse(stdout)
}

const noMetadata = { AWS_EC2_METADATA_DISABLED: 'true' }

describe('S3: credentials of the server itself', () => {
  test('an instance role lists, reads and signs while its session lasts', async () => {
    const { aws, place } = await withSessions({})
    const answer = await inChild({ AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.endpoint }, place)
    expect(answer).toMatchObject({ keys: ['a.txt', 'b.txt'], bodies: ['hello', 'there'] })
    expect(await provenEnd(answer.url)).toBeLessThanOrEqual(aws.issued.at(-1)!.expiration!.getTime())
    expect(aws.seen[0]).toBe('PUT /latest/api/token')
    expect(aws.issued).toHaveLength(1)
  })

  test('a container role lists, reads and signs', async () => {
    const containerToken = 'of the container'
    const { aws, place } = await withSessions({ containerToken })
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.endpoint}/container`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: containerToken,
    }
    const answer = await inChild(env, place)
    expect(answer).toMatchObject({ keys: ['a.txt', 'b.txt'], bodies: ['hello', 'there'] })
    expect(await provenEnd(answer.url)).toBeLessThanOrEqual(aws.issued.at(-1)!.expiration!.getTime())
  })

  test('a web identity lists, reads and signs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-token-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'token'), 'signed.by.the-cluster')
    const { aws, place } = await withSessions({ roles: { [roleArn]: { webIdentityToken: 'signed.by.the-cluster' } } })
    const env = {
      ...noMetadata,
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ROLE_ARN: roleArn,
      AWS_ENDPOINT_URL_STS: aws.endpoint,
    }
    const answer = await inChild(env, place)
    expect(answer).toMatchObject({ keys: ['a.txt', 'b.txt'], bodies: ['hello', 'there'] })
    expect(await provenEnd(answer.url)).toBeLessThanOrEqual(aws.issued.at(-1)!.expiration!.getTime())
    expect(aws.seen).toEqual(['AssumeRoleWithWebIdentity'])
  })

  test('a web identity that STS does not know is BAD_CREDENTIALS', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-token-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'token'), 'forged')
    const { aws, place } = await withSessions({ roles: { [roleArn]: { webIdentityToken: 'real' } } })
    const env = {
      ...noMetadata,
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ROLE_ARN: roleArn,
      AWS_ENDPOINT_URL_STS: aws.endpoint,
    }
    expect(await inChild(env, place)).toMatchObject({ code: 'BAD_CREDENTIALS' })
  })

  test('credentials of the server can assume a role', async () => {
    const { aws, place } = await withSessions({ base: keyPair, roles: { [roleArn]: { externalId: 'of-ours' } } })
    const env = {
      ...noMetadata,
      AWS_ACCESS_KEY_ID: keyPair.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keyPair.secretAccessKey,
    }
    const answer = await inChild(env, { ...place, roleArn, externalId: 'of-ours', stsEndpoint: aws.endpoint })
    expect(answer).toMatchObject({ keys: ['a.txt', 'b.txt'] })
  })

  test('no credentials at all are BAD_CREDENTIALS, with a message that says so', async () => {
    const { place } = await withSessions({})
    expect(await inChild(noMetadata, place)).toEqual({
      code: 'BAD_CREDENTIALS',
      message: expect.stringContaining('the server has none of its own'),
    })
  })
})

describe('S3: settings that do not go together', () => {
  const place = { bucket: 'bucket' }
  test.for([
    [{ ...place, roleArn, externalId: 'x1' }, []],
    [{ ...place, roleArn, anonymous: true }, ['roleArn']],
    [{ ...place, externalId: 'x1' }, ['externalId']],
    [{ ...place, stsEndpoint: 'https://sts.example.com' }, ['stsEndpoint']],
    [{ ...place, kmsKeyId: 'k', serverSideEncryption: 'AES256' }, ['kmsKeyId']],
    [{ ...place, kmsKeyId: 'k', serverSideEncryption: 'KMS' }, []],
    [{ ...place, kmsKeyId: 'k' }, []],
  ] as const)('%o has faults at %o', ([location, paths]) => {
    expect(s3.crossCheck!(s3.location.parse(location), {}).map((fault) => fault.path)).toEqual(paths)
  })

  test('a text that is no role ARN is refused', () => {
    for (const roleArn of ['reader', 'arn:aws:s3:::bucket', 'arn:aws:iam::1:user/x', '']) {
      expect(s3.location.safeParse({ ...place, roleArn }).success, roleArn).toBe(false)
    }
    for (const roleArn of ['arn:aws-cn:iam::123456789012:role/a/b', 'arn:aws:iam:::role/ceph']) {
      expect(s3.location.safeParse({ ...place, roleArn }).success, roleArn).toBe(true)
    }
  })
})
