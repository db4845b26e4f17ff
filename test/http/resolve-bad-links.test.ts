import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { openDownload } from '@sluice/testkit/download.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encode } from './resolve-place.ts'

describe('the link to an object', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  const get = (path: string) =>
    fetch(app.url + path, { redirect: 'manual', headers: { authorization: `Bearer ${app.token}` } })

  it.each([
    '/tasks/x/resolve/?fileuri=bG9jYWw',
    '/tasks/0/resolve/?fileuri=bG9jYWw',
    '/tasks/1/resolve/',
    '/tasks/1/resolve/?fileuri=',
    '/tasks/1/resolve/?fileuri=%%%',
    '/tasks/1e3/resolve/?fileuri=bG9jYWw',
    '/tasks/1234567890123456/resolve/?fileuri=bG9jYWw',
    `/tasks/1/resolve/?fileuri=${encode('s3://bucket/a')}A`,
    `/tasks/1/resolve/?fileuri=${Buffer.from([0x73, 0x33, 0x3a, 0x2f, 0x2f, 0x62, 0x2f, 0xff]).toString('base64url')}`,
    `/tasks/1/resolve/?fileuri=${encode('no uri')}`,
    `/tasks/1/resolve/?fileuri=${encode('s3://bucket/')}`,
    `/tasks/1/resolve/?fileuri=${encode('\ufeffs3://bucket/a')}`,
    // As in RFC 4648 §4, not §5; in two alphabets; with a line break.
    `/tasks/1/resolve/?fileuri=${encodeURIComponent(Buffer.from('s3://bucket/ÿ?ÿ').toString('base64'))}`,
    `/tasks/1/resolve/?fileuri=${encode('s3://bucket/a')}%0A`,
    `/tasks/1/resolve/?fileuri=${encode('s3://bucket/a')}.`,
    // "/" in more bytes than it takes, and half of a surrogate pair (RFC 3629 §3).
    `/tasks/1/resolve/?fileuri=${encode(Buffer.from('s3://b/\xc0\xaf', 'latin1'))}`,
    `/tasks/1/resolve/?fileuri=${encode(Buffer.from('s3://b/\xed\xa0\x80', 'latin1'))}`,
    '/tasks/1/resolve/?fileuri=s3://bucket/a%00b',
    '/tasks/1/resolve/?fileuri=s3:bucket/a',
    '/tasks/%31/resolve/?fileuri=s3://bucket/a',
    '/tasks/1%2f..%2f2/resolve/?fileuri=s3://bucket/a',
    '/tasks/-1/resolve/?fileuri=s3://bucket/a',
    '/tasks/01/resolve/?fileuri=s3://bucket/a',
    `/tasks/1/resolve/?fileuri=s3://bucket/${'x'.repeat(8_192)}`,
    `/tasks/1/resolve/?fileuri=${encode('s3://bucket/a\0b')}`,
    `/tasks/1/resolve/?fileuri=${encode(`s3://bucket/${'x'.repeat(9_000)}`)}`,
  ])('is 400 for %.60s', async (path) => {
    expect((await get(path)).status).toBe(400)
  })

  it.each([
    '/tasks/1/resolve//?fileuri=x',
    '/tasks/1/resolve/x?fileuri=x',
    '/tasks//resolve/?fileuri=x',
    '/x/tasks/1/resolve/?fileuri=x',
    '/tasks/1/%72esolve/?fileuri=x',
  ])('is no link at %s', async (path) => {
    const { answer } = await openDownload(app.url + path)
    answer.resume()
    expect(answer.statusCode).toBe(404)
  })
})
