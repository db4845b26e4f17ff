import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Seconds of the recording. */
export const length = 6

/** A recording as HLS (`hls/`) and DASH (`dash/`) with segments in folders, by relative paths. */
export function makeRecording(): Record<string, Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-hls-'))
  const source = ['-v', 'error', '-f', 'lavfi', '-i', `testsrc=size=320x240:rate=10:duration=${length}`]
  const video = [...source, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '10']
  const hls = [
    '-f',
    'hls',
    '-hls_time',
    '1',
    '-hls_playlist_type',
    'vod',
    '-b:v',
    '200k',
    '-master_pl_name',
    'master.m3u8',
  ]
  const segments = ['-var_stream_map', 'v:0', '-hls_segment_filename', 'hls/v%v/seg %d.ts', 'hls/v%v/list.m3u8']
  const names = ['-init_seg_name', 'i/$RepresentationID$.m4s', '-media_seg_name', 's/$RepresentationID$-$Number$.m4s']
  execFileSync('sh', ['-c', 'mkdir -p hls/v0 dash/i dash/s'], { cwd: folder })
  execFileSync('ffmpeg', [...video, ...hls, ...segments], { cwd: folder })
  execFileSync('ffmpeg', [...video, '-f', 'dash', '-seg_duration', '1', ...names, 'dash/a.mpd'], { cwd: folder })
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const objects = files
    .map((file) => join(file.parentPath, file.name))
    .map((path) => [path.slice(folder.length + 1), readFileSync(path)])
  rmSync(folder, { recursive: true })
  return Object.fromEntries(objects)
}

const red = (size: string) => {
  const image = [
    '-f',
    'lavfi',
    '-i',
    `color=red:size=${size}`,
    '-frames:v',
    '1',
    '-f',
    'image2pipe',
    '-c:v',
    'png',
    '-',
  ]
  return execFileSync('ffmpeg', ['-v', 'error', ...image])
}

/** Subtitles that name a picture (as players show it above the time line), and an image pyramid of one tile. */
export function makePictures(): Record<string, string | Buffer> {
  return {
    'text/a.vtt': 'WEBVTT\n\n00:00.000 --> 00:05.000\npictures/a b.png#xywh=0,0,8,2\n',
    'text/pictures/a b.png': red('8x2'),
    'image/a.dzi':
      '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="png" Overlap="0" TileSize="64"><Size Width="6" Height="2"/></Image>',
    'image/a_files/0/0_0.png': red('6x2'),
  }
}

/** A textured triangle: glTF 2.0 with its buffer and its image in other files. */
export function makeModel(): Record<string, string | Buffer> {
  const numbers = new Float32Array([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1])
  const accessor = (bufferView: number, type: string) => ({ bufferView, componentType: 5126, count: 3, type })
  const gltf = {
    asset: { version: '2.0' },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0 }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0, TEXCOORD_0: 1 }, material: 0 }] }],
    materials: [{ pbrMetallicRoughness: { baseColorTexture: { index: 0 } } }],
    textures: [{ source: 0 }],
    images: [{ uri: 'textures/a%20%23b.png' }],
    buffers: [{ uri: 'data/mesh.bin', byteLength: 60 }],
    bufferViews: [
      { buffer: 0, byteLength: 36 },
      { buffer: 0, byteOffset: 36, byteLength: 24 },
    ],
    accessors: [{ ...accessor(0, 'VEC3'), min: [0, 0, 0], max: [1, 1, 0] }, accessor(1, 'VEC2')],
  }
  return {
    'model/a.gltf': JSON.stringify(gltf),
    'model/data/mesh.bin': Buffer.from(numbers.buffer),
    'model/textures/a #b.png': red('4x2'),
  }
}
