import { Readable } from 'node:stream'
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { HttpResponse } from '@smithy/core/protocols'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Listing, readListing } from '../../src/providers/s3/read-listing.ts'

/** What the SDK reads in an answer, as a listing; undefined where it refuses it. */
async function readBySdk(xml: string): Promise<Listing | undefined> {
  const client = new S3Client({
    ...{ region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 's' }, maxAttempts: 1 },
    requestHandler: {
      handle: async () => ({
        response: new HttpResponse({ statusCode: 200, headers: {}, body: Readable.from([Buffer.from(xml)]) }),
      }),
    },
  })
  const answer = await client.send(new ListObjectsV2Command({ Bucket: 'bucket' })).catch(() => undefined)
  return (
    answer && {
      ...{ name: answer.Name, isTruncated: answer.IsTruncated, encoding: answer.EncodingType },
      objects: (answer.Contents ?? []).map(({ Key, Size = 0, ETag = null, LastModified = null }) => ({
        ...{ key: Key!, size: Size, etag: ETag, lastModified: LastModified },
      })),
      lastFolder: answer.CommonPrefixes?.at(-1)?.Prefix,
      token: answer.NextContinuationToken,
    }
  )
}

const escapes: Record<string, string[]> = {
  '&': ['&amp;', '&#38;', '&#x26;'],
  '<': ['&lt;', '&#60;', '&#x3c;'],
  '>': ['&gt;', '&#62;', '>'],
  '"': ['&quot;', '&#34;', '"'],
  "'": ['&apos;', '&#x27;', "'"],
}

/** The ways in which text is written. */
const written = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.nat(2)).map(([chars, way]) => chars.replace(/[&<>"']/g, (char) => escapes[char]![way]!))

// Without what XML cannot carry, and with no space around: there the SDK has rules of its own.
const plainText = fc
  .string({
    unit: fc.oneof(fc.constantFrom(...'ab/ &<>"\'+%2C;#x.-'), fc.constantFrom('ü', '日', '😀')),
    maxLength: 30,
  })
  .map((text) => `k${text}k`)
const element = (name: string, text: fc.Arbitrary<string>) => text.map((inner) => `<${name}>${inner}</${name}>`)
const time = fc
  .date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())

const contents = fc
  .tuple(
    element('Key', written(plainText)),
    fc.shuffledSubarray([
      element('Size', fc.nat().map(String)),
      element('ETag', written(fc.constantFrom('"d41d8cd98f00b204e9800998ecf8427e-12"', 'W/"a"'))),
      element('LastModified', time),
      fc.constant('<StorageClass>STANDARD</StorageClass>'),
      fc.constant('<Owner><ID>owner</ID><DisplayName>Key</DisplayName></Owner>'),
      fc.constant('<Owner></Owner>'),
      fc.constant('<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>'),
      fc.constant('<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>'),
    ]),
    fc.nat(),
  )
  .chain(([key, others, at]) =>
    fc.tuple(...others).map((made) => {
      const all = [...made.slice(0, at % (made.length + 1)), key, ...made.slice(at % (made.length + 1))]
      return ['Contents', all] as const
    }),
  )
const folder = element('Prefix', written(plainText)).map((prefix) => ['CommonPrefixes', [prefix]] as const)

const answer = fc
  .record({
    begin: fc.constantFrom('', '<?xml version="1.0" encoding="UTF-8"?>', "<?xml version='1.0'?>\n"),
    root: fc.constantFrom('ListBucketResult', 'ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'),
    space: fc.constantFrom('', '\n  '),
    head: fc.shuffledSubarray(
      [
        '<Name>bucket</Name>',
        '<Prefix/>',
        '<Delimiter></Delimiter>',
        '<IsTruncated>true</IsTruncated>',
        '<EncodingType>url</EncodingType>',
        '<KeyCount>7</KeyCount>',
        '<NextContinuationToken>a+b/==</NextContinuationToken>',
      ],
      { minLength: 1 },
    ),
    parts: fc.array(fc.oneof({ weight: 4, arbitrary: contents }, { weight: 1, arbitrary: folder }), { maxLength: 6 }),
  })
  .map(({ begin, root, space, head, parts }) => {
    const inside = parts.map(([name, all]) => `<${name}>${space}${all.join(space)}${space}</${name}>`)
    return `${begin}<${root}>${space}${[...head, ...inside].join(space)}${space}</ListBucketResult>`
  })

describe('the reader of listings', () => {
  test('reads the same as the SDK, for all variants that storages write', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (xml) => {
        const listing = readListing(xml)
        expect(listing).toBeDefined()
        expect(listing).toEqual(await readBySdk(xml))
      }),
      { numRuns: 300 },
    )
  })

  test('reads the same as the SDK, or nothing, from a malformed response', async () => {
    const faults = [
      '',
      '<',
      '>',
      '/',
      '&',
      ';',
      '"',
      '<a>',
      '</a>',
      '<!-- -->',
      '<![CDATA[x]]>',
      '\0',
      '\r',
      ' a="b"',
      '<Key>',
    ]
    const fault = fc.record({ at: fc.nat(), length: fc.nat(12), instead: fc.constantFrom(...faults) })
    let read = 0
    await fc.assert(
      fc.asyncProperty(answer, fault, async (xml, { at, length, instead }) => {
        const chars = [...xml]
        const from = at % chars.length
        const faulty = chars.toSpliced(from, length, instead).join('')
        const listing = readListing(faulty)
        // The SDK takes spaces without a line break for text, and then reads nothing of what is beside it.
        if (!listing || /> +</.test(faulty)) return
        read++
        expect(listing).toEqual(await readBySdk(faulty))
      }),
      { numRuns: 2_000 },
    )
    expect(read).toBeGreaterThan(30)
  })

  const object = (inner: string) => `<ListBucketResult><Contents>${inner}</Contents></ListBucketResult>`
  test.for([
    ['a page of a website', '<!doctype html><html><body/></html>'],
    ['another root', '<Error><Code>AccessDenied</Code></Error>'],
    ['nothing', ''],
    ['an answer that was cut', '<ListBucketResult><Contents><Key>a</Key></Contents>'],
    ['something behind its end', '<ListBucketResult></ListBucketResult><more/>'],
    ['another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><ListBucketResult></ListBucketResult>'],
    ['an entity of its own', object('<Key>&own;</Key>')],
    ['an object without a key', object('<Size>1</Size>')],
    ['an object with two keys', object('<Key>a</Key><Key>b</Key>')],
    ['a size that is no number', object('<Key>a</Key><Size>-1</Size>')],
    ['a time without a zone', object('<Key>a</Key><LastModified>2026-01-02T03:04:05</LastModified>')],
    ['a comment', object('<!-- --><Key>a</Key>')],
    ['CDATA', object('<Key><![CDATA[a]]></Key>')],
    ['an element in a key', object('<Key>a<b/></Key>')],
    ['attributes', object('<Key lang="en">a</Key>')],
    ['elements in elements without end', object(`<Key>a</Key>${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}`)],
    ['elements that overlap', object('<Owner><ID>a</Owner></ID><Key>a</Key>')],
  ])('leaves %s to the SDK', ([, xml]) => {
    expect(readListing(xml!)).toBeUndefined()
  })
})
