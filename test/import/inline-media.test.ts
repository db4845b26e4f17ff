import { inChunks, providerOf } from '@sluice/testkit/one-object.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { elementsOf } from '../../src/task-files/read-rows.ts'

type Options = Parameters<typeof parquetWriteBuffer>[0]
type Media = { bytes: Uint8Array | null; path: string | null } | null

const part = (name: string, type: object = {}) => ({ name, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', ...type })
const text = { converted_type: 'UTF8', logical_type: { type: 'STRING' } }
const media = (name: string) => [
  { name, repetition_type: 'OPTIONAL', num_children: 2 },
  part('bytes'),
  part('path', text),
]

/** A file as Hugging Face's datasets write it: an Image or Audio column, and a list of images. */
const fileOf = (rows: { image: Media; more?: Media[] | null; n?: number }[]) =>
  Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'n', data: rows.map(({ n = 1 }) => n) },
        { name: 'image', data: rows.map(({ image }) => image) },
        { name: 'more', data: rows.map(({ more = null }) => more) },
      ],
      schema: [
        { name: 'root', num_children: 3 },
        { name: 'n', type: 'INT32', repetition_type: 'REQUIRED' },
        ...media('image'),
        { name: 'more', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        ...media('element'),
      ],
    } as unknown as Options),
  )

async function read(bytes: Buffer, maxInlineBytes?: number) {
  const options = { signal: new AbortController().signal, countRead: () => {}, maxInlineBytes }
  const rows: [unknown, string | undefined][] = []
  for await (const { parse } of elementsOf(providerOf(inChunks(bytes)), 'key', options)) {
    const { data, issue } = parse()
    rows.push([JSON.parse(data), issue && `${issue.code}: ${issue.message}`])
  }
  return rows
}

const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
const from = (head: string, length = 40) => Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(length)])
const url = (type: string, bytes: Uint8Array) => `data:${type};base64,${Buffer.from(bytes).toString('base64')}`

describe('an image or sound in a Parquet column', () => {
  it.each<[string, Buffer, string | null]>([
    ['image/png', png, 'wrong.jpg'],
    ['image/jpeg', from('\xff\xd8\xff\xe0'), null],
    ['image/gif', from('GIF89a'), null],
    ['image/webp', from('RIFF\0\0\0\0WEBPVP8 '), null],
    ['image/tiff', from('II*\0'), null],
    ['image/avif', from('\0\0\0\x1cftypavif'), null],
    ['image/heic', from('\0\0\0\x1cftypheic'), null],
    ['image/bmp', from('BM6000\0\0\0\0'), null],
    ['audio/mp4', from('\0\0\0\x1cftypM4A '), null],
    ['application/pdf', from('%PDF-1.7'), null],
    ['audio/wav', from('RIFF\x24\0\0\0WAVEfmt '), 'a.flac'],
    ['audio/flac', from('fLaC'), null],
    ['audio/ogg', from('OggS'), null],
    ['audio/mpeg', from('ID3\x04'), null],
    ['audio/mpeg', from('\xff\xfb\x90'), null],
    ['video/mp4', from('\0\0\0\x18ftypmp42'), null],
    ['video/webm', from('\x1a\x45\xdf\xa3'), null],
    ['image/vnd.microsoft.icon', from('nothing known'), 'a.ico'],
    ['application/octet-stream', from('nothing known'), 'a.html'],
    ['application/octet-stream', Buffer.from('a'), null],
  ])('becomes a data URL of the type that its bytes show: %s', async (type, bytes, path) => {
    expect(await read(fileOf([{ image: { bytes, path } }]))).toEqual([
      [{ n: 1, image: url(type, bytes), more: null }, undefined],
    ])
  })

  it('is its path if it has no bytes, and null if it has nothing', async () => {
    const rows = await read(
      fileOf([
        { image: { bytes: null, path: 's3://b/a.png' } },
        { image: { bytes: new Uint8Array(), path: 'b.png' } },
        { image: { bytes: null, path: null } },
        { image: null },
      ]),
    )
    expect(rows.map(([data]) => (data as { image: unknown }).image)).toEqual(['s3://b/a.png', 'b.png', null, null])
  })

  it('is converted in lists, too', async () => {
    const more = [{ bytes: png, path: null }, { bytes: null, path: 'x.png' }, null]
    expect(await read(fileOf([{ image: null, more }]))).toEqual([
      [{ n: 1, image: null, more: [url('image/png', png), 'x.png', null] }, undefined],
    ])
  })

  it('above maxInlineBytes is null, with an issue that names the column; other rows and values stay', async () => {
    const large = from('GIF89a', 262_139)
    const limit = from('GIF89a', 262_138)
    const rows = await read(
      fileOf([
        { image: { bytes: limit, path: 'a' } },
        {
          image: { bytes: large, path: 'b' },
          more: [
            { bytes: large, path: null },
            { bytes: png, path: null },
          ],
          n: 2,
        },
      ]),
    )
    expect(rows[0]).toEqual([{ n: 1, image: url('image/gif', limit), more: null }, undefined])
    expect(rows[1]![0]).toEqual({ n: 2, image: null, more: [null, url('image/png', png)] })
    expect(rows[1]![1]).toMatch(
      /^INLINE_TOO_LARGE: .*maxInlineBytes \(262144\): the column "image" has 262145 bytes, the column "more" has 262145 bytes\./,
    )
    expect((await read(fileOf([{ image: { bytes: png, path: null } }]), 0))[0]![0]).toMatchObject({ image: null })
  })

  it('is a struct as any other with other fields or types', async () => {
    const bytes = parquetWriteBuffer({
      columnData: [{ name: 'v', data: [{ bytes: 'text', path: 'a' }] }],
      schema: [
        { name: 'root', num_children: 1 },
        { name: 'v', repetition_type: 'OPTIONAL', num_children: 2 },
        part('bytes', text),
        part('path', text),
      ],
    } as unknown as Options)
    expect(await read(Buffer.from(bytes))).toEqual([[{ v: { bytes: 'text', path: 'a' } }, undefined]])
  })
})

describe('an import of images in Parquet', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('applies maxInlineBytes of the storage, and reads the file once', async () => {
    const rows = [{ image: { bytes: png, path: 'a' } }, { image: { bytes: from('GIF89a', 200), path: 'b' }, n: 2 }]
    const storage = await world.storage({
      ...{ objects: { 'a.parquet': fileOf(rows) }, importMethod: 'TASKS', maxInlineBytes: 100 },
    })
    expect(await sync(world.app, storage.id)).toMatchObject({
      ...{ status: 'COMPLETED_WITH_ERRORS', counters: { created: 2, failed: 1 } },
      issues: [{ key: 'a.parquet', rowIndex: 1, code: 'INLINE_TOO_LARGE', retryable: false }],
    })
    const tasks = await tasksOf(world.app, storage.project)
    expect(tasks.map(({ data }) => data.image)).toEqual([url('image/png', png), null])
    const reads = world.front.counts.GetObject
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 1, created: 0 },
    })
    expect(world.front.counts.GetObject).toBe(reads)
  })
})
