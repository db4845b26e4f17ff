import { describe, expect, it } from 'vitest'
import { contentTypeOf } from '../../src/providers/content-type.ts'

describe('the content type of a key', () => {
  it.each([
    ['a.m3u8', 'application/vnd.apple.mpegurl'],
    ['a.mpd', 'application/dash+xml'],
    ['a.ts', 'video/mp2t'],
    ['a.m4s', 'video/iso.segment'],
    ['a.cmfv', 'video/mp4'],
    ['a.vtt', 'text/vtt'],
    ['a.gltf', 'model/gltf+json'],
    ['a.glb', 'model/gltf-binary'],
    ['a.ktx2', 'image/ktx2'],
    ['a.bin', 'application/octet-stream'],
    ['a.dzi', 'application/xml'],
    ['in/scan.PLY', 'model/ply'],
    ['in/scan.pcd', 'application/x-pcd'],
    ['in/scan.las', 'application/vnd.las'],
    ['in/scan.copc.laz', 'application/vnd.laszip'],
    ['in/scan.e57', 'model/e57'],
    ['a.jpg', 'image/jpeg'],
  ])('of %s is %s', (key, type) => {
    expect(contentTypeOf(key)).toBe(type)
  })

  it.each(['in/las', 'in/.ply', 'a.ply/b', 'a.constructor', 'a.'])('of %s is unknown', (key) => {
    expect(contentTypeOf(key)).toBeUndefined()
  })
})
