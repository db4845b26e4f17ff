import { describe, expect, it } from 'vitest'
import { mayNameOthers, namesOthers } from '../../src/resolve/file-sets.ts'

describe('a file that names others', () => {
  it.each([
    'a.m3u8',
    'in/A.M3U8',
    'a.mpd',
    'b/c.gltf',
    'c.vtt',
    'd.dzi',
    'e.obj',
    'e.mtl',
    'tileset.json',
    'in/Tileset.JSON',
    'x.zarr/.zattrs',
    'x.zarr/zarr.json',
  ])('is recognised by its key: %s', (key) => {
    expect([namesOthers(key), mayNameOthers(`s3://bucket/${key}`)]).toEqual([true, true])
  })

  it.each(['a.mp4', 'a.glb', 'm3u8', '.m3u8', 'a.m3u8/b.ts', 'a.m3u8.txt', 'my-tileset.json', 'a.json', 'a.xgltf'])(
    'is not %s',
    (key) => {
      expect(namesOthers(key)).toBe(false)
    },
  )

  it.each([
    '/data/local-files/?d=in%2Fa.m3u8',
    '/data/local-files/?d=in/a.m3u8&x=1',
    '/data/local-files/?d=in%2ftileset.json',
    '/data/local-files/?d=tileset.json',
    'https://bucket.s3.amazonaws.com/a.m3u8?X-Amz-Signature=1#top',
  ])('is recognised in a URL: %s', (url) => {
    expect(mayNameOthers(url)).toBe(true)
  })

  it.each(['s3://b/a.mp4', 's3://b/a.m3u8x', 's3://b/a.m3u8/seg.ts'])('is not suspected in %s', (uri) => {
    expect(mayNameOthers(uri)).toBe(false)
  })
})
