import { describe, expect, it } from 'vitest'
import { type AmbientRequest, createAmbientCredentials } from '../../src/providers/ambient.ts'
import type { ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'

const allows = (listed: string[], request: Partial<AmbientRequest>, isLocal = false) => {
  try {
    const given = { provider: 'S3', path: ['bucket', ''], foreignEndpoints: [], ...request } as AmbientRequest
    createAmbientCredentials(listed, isLocal).allow(given)
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'AMBIENT_CREDENTIALS_DISABLED' })
    expect((error as Error).message).toContain('AMBIENT_CREDENTIALS')
    return false
  }
}

describe("the server's own identity", () => {
  it('is enabled for all clouds in local mode, and for none by default outside it', () => {
    for (const provider of ['S3', 'GCS', 'AZURE_BLOB'] as const) {
      expect(allows([], { provider }, true)).toBe(true)
      expect(allows([], { provider }, false)).toBe(false)
    }
  })

  it("is never sent to an endpoint that is not the cloud's own, not even in local mode", () => {
    const foreignEndpoints = ['http://127.0.0.1:9000']
    expect(allows(['S3'], { foreignEndpoints }, true)).toBe(false)
    expect(allows(['S3'], { foreignEndpoints }, false)).toBe(false)
  })

  it.each([
    { listed: ['S3'], path: ['bucket', 'any/'], allowed: true },
    { listed: ['GCS', 'AZURE_BLOB'], path: ['bucket', ''], allowed: false },
    { listed: ['S3:bucket'], path: ['bucket', ''], allowed: true },
    { listed: ['S3:bucket/'], path: ['bucket', 'a'], allowed: true },
    { listed: ['S3:bucket'], path: ['bucket2', ''], allowed: false },
    { listed: ['S3:bucket2'], path: ['bucket', '2'], allowed: false },
    { listed: ['S3:bucket/pre'], path: ['bucket', ''], allowed: false },
    { listed: ['S3:bucket/pre'], path: ['bucket', 'pre'], allowed: false },
    { listed: ['S3:bucket/pre'], path: ['bucket', 'pre/'], allowed: true },
    { listed: ['S3:bucket/pre/'], path: ['bucket', 'pre/a/b'], allowed: true },
    { listed: ['S3:bucket/pre'], path: ['bucket', 'prefix/'], allowed: false },
    { listed: ['S3:bucket/pre'], path: ['bucket', 'pre/../other/'], allowed: false },
    { listed: ['S3:bucket/pre'], path: ['bucket', 'Pre/'], allowed: false },
    { listed: ['S3:a', 'S3:bucket'], path: ['bucket', ''], allowed: true },
    {
      listed: ['S3:arn:aws:s3:eu-west-1:1:accesspoint'],
      path: ['arn:aws:s3:eu-west-1:1:accesspoint', ''],
      allowed: true,
    },
  ])('with $listed, $path is allowed: $allowed', ({ listed, path, allowed }) => {
    expect(allows(listed, { path })).toBe(allowed)
  })

  it('is enabled for containers of an Azure account', () => {
    const listed = ['AZURE_BLOB:account/container']
    const provider = 'AZURE_BLOB'
    expect(allows(listed, { provider, path: ['account', 'container', 'any'] })).toBe(true)
    expect(allows(listed, { provider, path: ['account', 'container2', ''] })).toBe(false)
    expect(allows(listed, { provider, path: ['account2', 'container', ''] })).toBe(false)
    expect(allows(['AZURE_BLOB:account'], { provider, path: ['account', 'container', ''] })).toBe(true)
  })
})

describe('a storage asks for the identity of the server', () => {
  const pair = { accessKeyId: 'a', secretAccessKey: 'b' }
  const azure = { account: 'mine', container: 'photos' }
  const principal = { ...azure, tenantId: 't', clientId: 'c' }
  const key = { serviceAccountJson: '{}' }
  it.each<[ProviderName, Record<string, unknown>, Record<string, string>, string[] | null]>([
    ['S3', { bucket: 'b' }, {}, []],
    ['S3', { bucket: 'b' }, pair, null],
    ['S3', { bucket: 'b', anonymous: true }, {}, null],
    ['S3', { bucket: 'b' }, { accessKeyId: 'a' }, []],
    ['S3', { bucket: 'b', endpoint: 'https://s3.eu-west-1.amazonaws.com' }, {}, []],
    ['S3', { bucket: 'b', endpoint: 'https://s3.cn-north-1.amazonaws.com.cn' }, {}, []],
    ['S3', { bucket: 'b', endpoint: 'https://s3.amazonaws.com/' }, {}, []],
    ['S3', { bucket: 'b', endpoint: 'http://s3.amazonaws.com' }, {}, ['http://s3.amazonaws.com']],
    [
      'S3',
      { bucket: 'b', endpoint: 'https://s3-1.eu-west-1.elb.amazonaws.com' },
      {},
      ['https://s3-1.eu-west-1.elb.amazonaws.com'],
    ],
    [
      'S3',
      { bucket: 'b', endpoint: 'https://s3.evil-us-east-1.amazonaws.com.evil.test' },
      {},
      ['https://s3.evil-us-east-1.amazonaws.com.evil.test'],
    ],
    [
      'S3',
      { bucket: 'b', stsEndpoint: 'https://evil.test', publicEndpoint: 'https://evil2.test' },
      {},
      ['https://evil2.test', 'https://evil.test'],
    ],
    ['GCS', { bucket: 'b' }, {}, []],
    ['GCS', { bucket: 'b' }, key, null],
    ['GCS', { bucket: 'b', anonymous: true }, {}, null],
    ['GCS', { bucket: 'b', endpoint: 'https://private.googleapis.com' }, {}, []],
    ['GCS', { bucket: 'b', endpoint: 'https://evilgoogleapis.com' }, {}, ['https://evilgoogleapis.com']],
    ['AZURE_BLOB', azure, {}, []],
    ['AZURE_BLOB', azure, { accountKey: 'k' }, null],
    ['AZURE_BLOB', azure, { sasToken: 'sig=x' }, null],
    ['AZURE_BLOB', { ...azure, anonymous: true }, {}, null],
    ['AZURE_BLOB', principal, { clientSecret: 's' }, null],
    ['AZURE_BLOB', azure, { clientSecret: 's' }, []],
    ['AZURE_BLOB', { ...azure, endpoint: 'https://mine.blob.core.usgovcloudapi.net' }, {}, []],
    [
      'AZURE_BLOB',
      { ...azure, endpoint: 'https://other.blob.core.windows.net' },
      {},
      ['https://other.blob.core.windows.net'],
    ],
    [
      'AZURE_BLOB',
      { ...azure, endpoint: 'https://mine.blob.core.windows.net.evil.test' },
      {},
      ['https://mine.blob.core.windows.net.evil.test'],
    ],
    ['REDIS', { host: 'h' }, {}, null],
    ['LOCAL_FILES', { path: 'p' }, {}, null],
  ])('%s %j with %j: other hosts %j', (name, location, secrets, foreignEndpoints) => {
    const kind: ProviderKind = providers[name]
    const request = kind.ambient?.(location as never, secrets as never)
    expect(request?.foreignEndpoints ?? null).toEqual(foreignEndpoints)
  })
})
