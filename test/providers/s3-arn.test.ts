import { describe, expect, test } from 'vitest'
import { s3 } from '../../src/providers/s3/kind.ts'
import { open } from './s3-place.ts'

const account = 'arn:aws:s3:us-west-2:123456789012'

describe('S3: an ARN that is entered as the bucket', () => {
  test.for([
    { arn: 'arn:aws:s3:::my-images', bucket: 'my-images' },
    { arn: 'arn:aws:s3:::my-images/', bucket: 'my-images' },
    { arn: 'arn:aws:s3:::my-images/*', bucket: 'my-images' },
    { arn: 'arn:aws-cn:s3:::my.images', bucket: 'my.images' },
    { arn: 'arn:aws-us-gov:s3:::my-images', bucket: 'my-images' },
    {
      arn: 'arn:aws:s3express:us-west-2:123456789012:bucket/images--usw2-az1--x-s3',
      bucket: 'images--usw2-az1--x-s3',
    },
    { arn: `${account}:accesspoint/photos`, bucket: `${account}:accesspoint:photos` },
    { arn: `${account}:accesspoint:photos`, bucket: `${account}:accesspoint:photos` },
    { arn: 'my-images', bucket: 'my-images' },
    { arn: 'photos-abcdefghijk-s3alias', bucket: 'photos-abcdefghijk-s3alias' },
  ])('$arn means the bucket $bucket', ({ arn, bucket }) => {
    expect(s3.location.parse({ bucket: arn })).toMatchObject({ bucket })
    expect(s3.location.parse({ bucket })).toMatchObject({ bucket })
  })

  test.for([
    { arn: 'arn:aws:s3:::my-images/photos/a.jpg', says: 'as prefix' },
    { arn: 'arn:aws:s3:::my-images/photos/*', says: 'as prefix' },
    { arn: 'arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap', says: 'enter one of its buckets' },
    {
      arn: 'arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/x',
      says: 'enter the access point or bucket behind it',
    },
    {
      arn: 'arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/x',
      says: 'enter the alias of its access point',
    },
    { arn: `${account}:accesspoint/photos/object/a.jpg`, says: 'ARN of something else' },
    { arn: `${account}:job/1`, says: 'ARN of something else' },
    { arn: 'arn:aws:iam::123456789012:role/reader', says: 'ARN of something else' },
    { arn: 'arn:aws:s3express:us-west-2:123456789012:accesspoint/x--usw2-az1--xa-s3', says: 'name of one' },
    { arn: 'arn:', says: 'ARN of something else' },
  ])('$arn is refused, and the message says what to enter: $says', ({ arn, says }) => {
    const { error } = s3.location.safeParse({ bucket: arn })
    expect(error?.issues.map(({ path, message }) => [path.join(), message])).toEqual([
      ['bucket', expect.stringContaining(says)],
    ])
  })

  test('of an access point is reached at its own host, in the region of the ARN', async () => {
    const provider = await open({ bucket: `${account}:accesspoint/photos` })
    const url = await provider.presign!('a b.txt', { ttlSeconds: 60 })
    expect(url.host + url.pathname).toBe('photos-123456789012.s3-accesspoint.us-west-2.amazonaws.com/a%20b.txt')
    expect(url.searchParams.get('X-Amz-Credential')).toMatch(/\/us-west-2\/s3\/aws4_request$/)
  })

  test.for([
    [{ endpoint: 'https://s3.example.com' }, ['endpoint']],
    [{ publicEndpoint: 'https://s3.example.com' }, ['publicEndpoint']],
    [{ addressing: 'PATH' }, ['addressing']],
    [{ region: 'eu-west-1' }, []],
  ] as const)('of an access point with %o has faults at %o', ([more, paths]) => {
    const place = s3.location.parse({ bucket: `${account}:accesspoint/photos`, ...more })
    expect(s3.crossCheck!(place, {}).map(({ path }) => path)).toEqual(paths)
  })
})
