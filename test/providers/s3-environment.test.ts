import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { s3 } from '../../src/providers/s3/kind.ts'
import { createEgress } from '../../src/security/egress.ts'

beforeEach(() => {
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_STS']) {
    vi.stubEnv(name, 'http://elsewhere.test')
  }
})
afterEach(() => void vi.unstubAllEnvs())

it.each([
  ['S3', {}, 'photos.s3.eu-west-1.amazonaws.com'],
  ['STS', { roleArn: 'arn:aws:iam::123456789012:role/reader' }, 'sts.eu-west-1.amazonaws.com'],
])('stored credentials for AWS go to no endpoint of the environment (%s)', async (_name, more, expected) => {
  const names = new Set<string>()
  const resolve = async (name: string) => {
    names.add(name)
    throw Object.assign(new Error('There is no such name.'), { code: 'ENOTFOUND' })
  }
  const egress = createEgress({ isLocal: false, allowed: [], blocked: [] }, { resolve })
  const location = s3.location.parse({ bucket: 'photos', region: 'eu-west-1', ...more })
  const provider = await s3.open(location, { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }, {
    egress,
  } as never)
  await expect(provider.check()).rejects.toMatchObject({ code: 'UNRESOLVABLE_HOST' })
  provider.close()
  expect([...names]).toEqual([expected])
})
