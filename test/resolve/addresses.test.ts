import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/entities/storage.ts'
import { rewriteUris } from '../../src/resolve/rewrite.ts'
import { explainObject, pickObject } from '../../src/resolve/url-mappings.ts'

const storage = (id: number, provider: string, location: object) =>
  ({ id, provider, location: { prefix: '', region: 'AUTO', ...location } }) as unknown as Storage
const storages = [
  storage(1, 'S3', { bucket: 'photos', prefix: 'in/' }),
  storage(2, 'S3', { bucket: 'my.dotted.bucket' }),
  storage(3, 'S3', { bucket: 'chinese', region: 'cn-north-1' }),
  storage(4, 'S3', {
    bucket: 'photos',
    endpoint: 'http://127.0.0.1:9000',
    publicEndpoint: 'https://s3.example.com/api',
  }),
  storage(5, 'S3', { bucket: 'hosted', endpoint: 'https://r2.example.com', addressing: 'VHOST' }),
  storage(6, 'GCS', { bucket: 'scans', prefix: '' }),
  storage(7, 'GCS', { bucket: 'scans', endpoint: 'http://localhost:4443' }),
  storage(8, 'AZURE_BLOB', { account: 'acme', container: 'images' }),
  storage(9, 'AZURE_BLOB', { account: 'acme', container: 'images', endpoint: 'http://127.0.0.1:10000/acme' }),
  storage(10, 'AZURE_BLOB', { account: 'acme', container: '$root' }),
  storage(11, 'LOCAL_FILES', { path: 'files' }),
  storage(12, 'S3', { bucket: 'virginia', region: 'us-east-1', endpoint: 'https://s3.us-east-1.amazonaws.com' }),
]
const scope = { storages, mappings: [], httpsUrls: true }
const objectOf = (url: string, httpsUrls = true) => {
  const found = pickObject(url, { ...scope, httpsUrls })
  return found && `${found.storage.id} ${found.key}`
}
const verdictsOf = (url: string, httpsUrls = true) =>
  Object.fromEntries(
    explainObject(url, { ...scope, httpsUrls }).map(({ storage, verdict }) => [storage.id, verdict] as const),
  )

describe('an HTTPS address of a connected bucket', () => {
  it.each([
    ['https://photos.s3.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['https://photos.s3.eu-central-1.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['https://photos.s3-us-west-2.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['https://photos.s3.dualstack.eu-central-1.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['https://photos.s3-accelerate.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['https://photos.s3-accelerate.dualstack.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['https://s3.amazonaws.com/photos/in/a.jpg', '1 in/a.jpg'],
    ['https://s3.eu-central-1.amazonaws.com/photos/in/a.jpg', '1 in/a.jpg'],
    ['https://s3-us-west-2.amazonaws.com/photos/in/a.jpg', '1 in/a.jpg'],
    ['https://s3.dualstack.eu-central-1.amazonaws.com/photos/in/a.jpg', '1 in/a.jpg'],
    ['https://s3-fips.dualstack.us-east-1.amazonaws.com/photos/in/a.jpg', '1 in/a.jpg'],
    ['http://photos.s3.amazonaws.com/in/a.jpg', '1 in/a.jpg'],
    ['HTTPS://Photos.S3.AmazonAWS.com:443/in/A.jpg', '1 in/A.jpg'],
    ['https://my.dotted.bucket.s3.amazonaws.com/a.jpg', '2 a.jpg'],
    ['https://s3.amazonaws.com/my.dotted.bucket/a.jpg', '2 a.jpg'],
    ['https://chinese.s3.cn-north-1.amazonaws.com.cn/a.jpg', '3 a.jpg'],
    ['https://virginia.s3.us-east-1.amazonaws.com/a.jpg', '12 a.jpg'],
    ['https://s3.amazonaws.com/virginia/a.jpg', '12 a.jpg'],
    ['http://127.0.0.1:9000/photos/a.jpg', '4 a.jpg'],
    ['https://s3.example.com/api/photos/a+b.jpg', '4 a+b.jpg'],
    ['https://hosted.r2.example.com/a.jpg', '5 a.jpg'],
    ['https://r2.example.com/hosted/a.jpg', '5 a.jpg'],
    ['https://storage.googleapis.com/scans/a+b.jpg', '6 a+b.jpg'],
    ['https://scans.storage.googleapis.com/a.jpg', '6 a.jpg'],
    ['https://storage.cloud.google.com/scans/a.jpg?authuser=1', '6 a.jpg'],
    ['http://localhost:4443/scans/a.jpg', '7 a.jpg'],
    ['https://acme.blob.core.windows.net/images/deep/a.jpg', '8 deep/a.jpg'],
    ['http://127.0.0.1:10000/acme/images/a.jpg', '9 a.jpg'],
    ['https://acme.blob.core.windows.net/$root/a.jpg', '10 a.jpg'],
    ['https://acme.blob.core.windows.net/%24root/a.jpg', '10 a.jpg'],
  ])('%s names an object', (url, expected) => {
    expect(objectOf(url)).toBe(expected)
    expect(rewriteUris({ image: url }, scope, () => 'LINK')).toEqual({ image: 'LINK' })
    expect(objectOf(url, false)).toBeNull()
    expect(rewriteUris({ image: url }, { ...scope, httpsUrls: false }, () => 'LINK')).toEqual({ image: url })
  })

  it.each([
    ['a percent-encoded key', 'https://photos.s3.amazonaws.com/in/%C3%A4%20b%2Fc%252B.jpg', '1 in/ä b/c%2B.jpg'],
    ['a plus sign at AWS, which is a space', 'https://photos.s3.amazonaws.com/in/a+b%2Bc.jpg', '1 in/a b+c.jpg'],
    ['a signature', 'https://photos.s3.amazonaws.com/in/a.jpg?X-Amz-Signature=ab&X-Amz-Expires=60', '1 in/a.jpg'],
    ['a SAS', 'https://acme.blob.core.windows.net/images/a.jpg?sv=2024-01-01&sig=x%3D', '8 a.jpg'],
    ['a fragment', 'https://storage.googleapis.com/scans/a.pdf#page=2', '6 a.pdf'],
    ['a key that begins with a slash', 'https://scans.storage.googleapis.com//a.jpg', '6 /a.jpg'],
    ['a space', 'https://scans.storage.googleapis.com/my a.jpg', '6 my a.jpg'],
  ])('with %s names the object that the storage would serve', (_what, url, expected) => {
    expect(objectOf(url)).toBe(expected)
  })

  it('is replaced by a link without its query, so that no link contains a signature', () => {
    const url = 'https://photos.s3.amazonaws.com/in/a%20b.jpg'
    const text = `<img src="${url}?X-Amz-Signature=ab&amp;X-Amz-Expires=60"> ![](${url}?sig=1), ${url}, (${url})`
    expect(rewriteUris(text, scope, (uri) => `[${uri}]`)).toBe(
      `<img src="[${url}]"> ![]([${url}]), [${url}], ([${url}])`,
    )
  })

  it.each([
    ['of another bucket', 'https://other.s3.amazonaws.com/in/a.jpg'],
    ['of another bucket in path style', 'https://s3.amazonaws.com/other/in/a.jpg'],
    ['outside the prefix', 'https://photos.s3.amazonaws.com/out/a.jpg'],
    ['outside the prefix by dots', 'https://photos.s3.amazonaws.com/in/../out/a.jpg'],
    ['outside the prefix by encoded dots', 'https://photos.s3.amazonaws.com/in/%2e%2e/out/a.jpg'],
    ['outside the prefix by an encoded slash', 'https://photos.s3.amazonaws.com/in%2F..%2Fout/a.jpg'],
    ['of a bucket with an encoded slash', 'https://s3.amazonaws.com/photos%2Fin/a.jpg'],
    ['without a key', 'https://scans.storage.googleapis.com/'],
    ['without a path', 'https://scans.storage.googleapis.com'],
    ['of a version', 'https://photos.s3.amazonaws.com/in/a.jpg?versionId=abc'],
    ['of a generation', 'https://storage.googleapis.com/scans/a.jpg?x=1&generation=5'],
    ['of a snapshot', 'https://acme.blob.core.windows.net/images/a.jpg?snapshot=2024'],
    ['with a login', 'https://me:secret@photos.s3.amazonaws.com/in/a.jpg'],
    ['of a host that only ends so', 'https://photos.s3.amazonaws.com.evil.example/in/a.jpg'],
    ['of a host that only begins so', 'https://evil.example/photos.s3.amazonaws.com/in/a.jpg'],
    ['of another service of AWS', 'https://photos.elb.amazonaws.com/in/a.jpg'],
    ['of another partition', 'https://photos.s3.cn-north-1.amazonaws.com.cn/in/a.jpg'],
    ['of another partition without China', 'https://chinese.s3.amazonaws.com/a.jpg'],
    ['of another port', 'http://127.0.0.1:9001/photos/a.jpg'],
    ['of another account', 'https://other.blob.core.windows.net/images/a.jpg'],
    ['that is not UTF-8', 'https://scans.storage.googleapis.com/caf%E9.jpg'],
    ['with a NUL', 'https://scans.storage.googleapis.com/a%00.jpg'],
    ['as a parameter', 'https://proxy.example/?url=https://photos.s3.amazonaws.com/in/a.jpg'],
  ])('%s is unchanged, and resolves to no object', (_what, url) => {
    expect(objectOf(url)).toBeNull()
    for (const text of [url, `see ${url} now`, `<img src="${url}">`]) {
      expect(rewriteUris(text, scope, () => 'LINK')).toBe(text)
    }
  })

  it('is resolved by the storage with its endpoint, and the longest prefix', () => {
    const twins = [...storages, storage(13, 'S3', { bucket: 'photos', prefix: 'in/deep/' })]
    const url = 'https://photos.s3.amazonaws.com/in/deep/a.jpg'
    expect(pickObject(url, { storages: twins, mappings: [], httpsUrls: true })?.storage.id).toBe(13)
    expect(pickObject(url, { storages: twins, mappings: [], httpsUrls: true, linkedStorage: 4 })?.storage.id).toBe(13)
  })

  it('leaves a URI inside another address as it is resolved today', () => {
    const text = 'https://other.example/?u=s3://my.dotted.bucket/a https://other.example/s3'
    expect(rewriteUris(text, scope, (uri) => `[${uri}]`)).toBe(
      'https://other.example/?u=[s3://my.dotted.bucket/a] https://other.example/s3',
    )
  })

  it('is reported as unread only if it is an address of a bucket', () => {
    const reads = (text: string) => {
      let isUnread = false
      rewriteUris(text, { storages, onUnread: () => (isUnread = true) }, String)
      return isUnread
    }
    expect(reads('{"a":"https://example.com/a.jpg","b":"http://x.s3.amazonaws.com/a"}')).toBe(false)
    expect(reads('{"a":"https://photos.s3.amazonaws.com/in/a.jpg"}')).toBe(true)
  })

  it('has an explanation for each storage', () => {
    const url = 'https://photos.s3.amazonaws.com/in/a.jpg'
    expect(verdictsOf(url)).toMatchObject({ 1: 'CHOSEN', 2: 'OTHER_BUCKET', 4: 'OTHER_BUCKET', 11: 'OTHER_SCHEME' })
    expect(verdictsOf(url, false)).toMatchObject({ 1: 'HTTPS_URLS_OFF', 2: 'OTHER_SCHEME', 11: 'OTHER_SCHEME' })
    expect(verdictsOf(url.replace('in', 'out'))).toMatchObject({ 1: 'OUTSIDE_PREFIX' })
    expect(verdictsOf(url.replace('in', 'in/..'))).toMatchObject({ 1: 'NO_KEY' })
  })
})
