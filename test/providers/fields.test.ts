import { describe, expect, it } from 'vitest'
import { canonicalUrl } from '../../src/providers/binding.ts'
import { apiUrl } from '../../src/providers/fields.ts'
import type { ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'

const places: Record<ProviderName, Record<string, unknown>> = {
  S3: { bucket: 'photos', roleArn: 'arn:aws:iam::123456789012:role/reader' },
  GCS: { bucket: 'photos' },
  AZURE_BLOB: { account: 'mine', container: 'photos' },
  REDIS: { host: '127.0.0.1' },
  LOCAL_FILES: { path: 'photos' },
}
const accepts = (name: ProviderName, field: string, value: unknown) => {
  const kind: ProviderKind = providers[name]
  const schema = field in kind.location.shape ? kind.location : kind.secrets
  const base = schema === kind.location ? places[name] : {}
  return schema.safeParse({ ...base, [field]: value }).success
}

const urlFields = (Object.keys(providers) as ProviderName[]).flatMap((name) =>
  Object.keys(providers[name].location.shape)
    .filter((field) => /endpoint$/i.test(field))
    .map((field) => ({ name, field })),
)

describe('URL fields', () => {
  it('exist', () => expect(urlFields).toHaveLength(5))

  it.each(urlFields)('$name $field accepts the address of an API, and nothing else', ({ name, field }) => {
    for (const good of ['https://api.example.com', 'http://127.0.0.1:9000/path/', 'http://[::1]:9000']) {
      expect(accepts(name, field, good), good).toBe(true)
    }
    for (const bad of [
      'http://user@host',
      'http://user:password@host',
      'http://:password@host',
      'http://@host',
      'http://%75ser@host/',
      'http:user@host',
      'http:\\\\user@host',
      'http://host/?query',
      'http://host/#fragment',
      'http://ho st',
      'http://host/\r\nX-Header: 1',
      'ftp://host',
      'file:///etc/passwd',
      '//host',
      'host:80',
    ]) {
      expect(accepts(name, field, bad), bad).toBe(false)
    }
  })

  it('lose line breaks and tabs, as in browsers', () => {
    const { data } = providers.S3.location.safeParse({ bucket: 'photos', endpoint: ' http://ho\r\nst/a\tb\n' })
    expect(data?.endpoint).toBe('http://host/ab')
  })

  it('a login is found in every spelling', () => {
    const loginsIn = (url: string) => apiUrl().safeParse(url).error?.message.includes('user name') ?? false
    for (const url of ['http://a@b', 'http:/a@b', 'http://a:b@c/d', 'http://@b']) expect(loginsIn(url), url).toBe(true)
    for (const url of ['http://b', 'http://b/a@c', 'no url']) expect(loginsIn(url), url).toBe(false)
  })
})

const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).filter((char) =>
  /\p{Cc}/u.test(char),
)

describe('control characters', () => {
  it.each<[ProviderName, string, (char: string) => string]>([
    ['REDIS', 'username', (char) => `a${char}b`],
    ['REDIS', 'password', (char) => `a${char}b`],
    ['REDIS', 'path', (char) => `a${char}b`],
    ['REDIS', 'host', (char) => `a${char}b`],
    ['S3', 'accessKeyId', (char) => `a${char}b`],
    ['S3', 'sessionToken', (char) => `a${char}b`],
    ['S3', 'kmsKeyId', (char) => `a${char}b`],
    ['S3', 'bucket', (char) => `aa${char}bb`],
    ['S3', 'region', (char) => `a${char}b`],
    ['S3', 'externalId', (char) => `a${char}b`],
    ['S3', 'roleArn', (char) => `arn:aws:iam::1:role/a${char}b`],
    ['GCS', 'bucket', (char) => `aa${char}bb`],
    ['GCS', 'projectId', (char) => `aa${char}bb`],
    ['AZURE_BLOB', 'account', (char) => `aa${char}bb`],
    ['AZURE_BLOB', 'container', (char) => `aa${char}bb`],
    ['AZURE_BLOB', 'tenantId', (char) => `aa${char}bb`],
    ['AZURE_BLOB', 'clientId', (char) => `aa${char}bb`],
    ['AZURE_BLOB', 'clientSecret', (char) => `aa${char}bb`],
    ['AZURE_BLOB', 'sasToken', (char) => `sig=aa${char}bb`],
  ])('%s %s refuses them', (name, field, make) => {
    for (const char of controls) expect(accepts(name, field, make(char)), JSON.stringify(char)).toBe(false)
  })
})

describe('a region', () => {
  it('is one DNS label', () => {
    for (const region of ['AUTO', 'us-east-1', 'default', 'a', 'x'.repeat(63)]) {
      expect(accepts('S3', 'region', region), region).toBe(true)
    }
    const bad = ['', '-a', 'a-', 'a.b', 'us-east-1.evil.test', 'a/b', 'evil.test#', 'a@b', 'a:1', 'a b', 'x'.repeat(64)]
    for (const region of bad) expect(accepts('S3', 'region', region), region).toBe(false)
  })
})

describe('an address in one spelling', () => {
  it.each([
    ['HTTPS://Example.COM:443/', 'https://example.com'],
    ['http://example.com:80/a/', 'http://example.com/a'],
    ['http://0x7f.1:9000', 'http://127.0.0.1:9000'],
    ['http://example.com:8080', 'http://example.com:8080'],
    ['https://example.com', 'https://example.com'],
  ])('%s is %s', (url, canonical) => expect(canonicalUrl(url)).toBe(canonical))

  it('differs by scheme, host, port and path', () => {
    const urls = ['http://a', 'https://a', 'http://b', 'http://a:81', 'http://a/b', 'http://a/B']
    expect(new Set(urls.map(canonicalUrl)).size).toBe(urls.length)
  })
})
