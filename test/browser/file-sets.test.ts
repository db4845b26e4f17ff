import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createTasks } from '@sluice/testkit/annotate.ts'
import { type Front, type S3Request, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { browserPath, openBrowser, startSite } from './chromium.ts'

const missing = [
  ...(existsSync(browserPath) ? [] : [`a Chromium (${browserPath}, or BROWSER_PATH)`]),
  ...['ffmpeg', 'ffprobe'].filter((command) => spawnSync(command, ['-version']).error !== undefined),
]
const required = Boolean(process.env.BROWSER_TESTS)
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const run = promisify(execFile)
/** Seconds of the recording. */
const length = 6
const modes = ['PRESIGN', 'PROXY'] as const

/** A recording as HLS (`hls/`) and DASH (`dash/`) with segments in folders, by relative paths. */
function makeRecording(): Record<string, Buffer> {
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

/** A textured triangle: glTF 2.0 with its buffer and its image in other files. */
function makeModel(): Record<string, string | Buffer> {
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
  const image = ['-f', 'lavfi', '-i', 'color=red:size=4x2', '-frames:v', '1', '-f', 'image2pipe', '-c:v', 'png', '-']
  return {
    'model/a.gltf': JSON.stringify(gltf),
    'model/data/mesh.bin': Buffer.from(numbers.buffer),
    'model/textures/a #b.png': execFileSync('ffmpeg', ['-v', 'error', ...image]),
  }
}

// Needs tools of the system; CI installs them and sets BROWSER_TESTS, so that a missing one fails there.
describe.runIf(missing.length === 0 || required)('media that consists of several files', () => {
  let world: World
  let front: Front
  let browser: Browser
  let site: Awaited<ReturnType<typeof startSite>>
  let page: Page
  const links: Record<(typeof modes)[number], Record<'hls' | 'dash' | 'model', string>> = {
    PRESIGN: {},
    PROXY: {},
  } as never
  /** Requests to the bucket by presigned URLs. */
  let redirected: S3Request[] = []

  beforeAll(async () => {
    expect(missing).toEqual([])
    site = await startSite({ '/three/': join(modules, 'three'), '/hls/': join(modules, 'hls.js/dist') })
    world = await startWorld({ CORS_ORIGINS: site.origin, RESOLVER_PROXY_MAX_RANGE_SIZE: '4096' })
    const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
    const onRequest = (request: S3Request) => request.url.includes('X-Amz-Signature=') && redirected.push(request)
    front = await startFront({ target: world.s3.endpoint, credentials, cors: true, onRequest })
    const bucket = await world.bucket({ ...makeRecording(), ...makeModel() })
    for (const mode of modes) {
      const projectId = await createProject(world.app)
      const location = { s3: { bucket, endpoint: front.endpoint, ...credentials } }
      await createStorage(world.app, { projectId, location, presign: mode === 'PRESIGN', skipCheck: true })
      const uri = (key: string) => `s3://${bucket}/${key}`
      const data = { hls: uri('hls/master.m3u8'), dash: uri('dash/a.mpd'), model: uri('model/a.gltf') }
      const [id] = await createTasks(world.app, projectId, [data])
      const { task } = await world.app.request(
        'query ($id: ID!) { task(id: $id) { resolvedData(mediaToken: true) } }',
        { id },
      )
      links[mode] = task.resolvedData
    }
    ;({ browser, page } = await openBrowser(site.origin))
    await page.addScriptTag({ url: '/hls/hls.min.js' })
    const imports = { three: '/three/build/three.module.js', 'three/addons/': '/three/examples/jsm/' }
    await page.addScriptTag({ type: 'importmap', content: JSON.stringify({ imports }) })
    const script = "import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js'; globalThis.GLTFLoader = GLTFLoader"
    await page.addScriptTag({ type: 'module', content: script })
    await page.waitForFunction(() => 'GLTFLoader' in globalThis)
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    site?.close()
    await front?.stop()
    await world?.stop()
  })
  beforeEach(() => {
    redirected = []
  })

  /** Expects that the bucket was asked by presigned URLs for these keys and no others, or, in a proxied storage, for none. */
  function expectRedirects(mode: (typeof modes)[number], keys: RegExp, least: number) {
    const seen = redirected.map(({ key }) => key)
    expect(seen.filter((key) => !keys.test(key))).toEqual([])
    if (mode === 'PROXY') expect(seen).toEqual([])
    else expect(new Set(seen).size).toBeGreaterThanOrEqual(least)
  }

  const play = (url: string, how: 'hls.js' | 'native' | 'native with CORS') =>
    page.evaluate(
      async ([source, player]) => {
        const video = document.createElement('video')
        video.muted = true
        document.body.replaceChildren(video)
        const failed = new Promise<never>((_resolve, reject) => {
          video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true })
        })
        const event = (name: string) =>
          Promise.race([new Promise((resolve) => video.addEventListener(name, resolve, { once: true })), failed])
        const loaded = event('loadedmetadata')
        if (player === 'native with CORS') video.crossOrigin = 'anonymous'
        if (player !== 'hls.js') video.src = source
        else {
          const hls = new (globalThis as never as { Hls: new () => HlsPlayer }).Hls()
          hls.on('hlsError', (_name, { fatal, details }) => {
            if (fatal) video.dispatchEvent(new ErrorEvent('error', { message: details }))
          })
          hls.loadSource(source)
          hls.attachMedia(video)
        }
        await loaded
        const seeked = event('seeked')
        video.currentTime = 4.5
        await seeked
        const moved = event('timeupdate')
        await video.play()
        await moved
        return { duration: video.duration, videoWidth: video.videoWidth, hasMoved: video.currentTime >= 4.5 }
      },
      [url, how] as const,
    )

  it.each(modes)('plays and seeks a playlist of playlists with segments by hls.js (%s)', async (mode) => {
    const seen = await play(links[mode].hls, 'hls.js')
    expect(seen).toEqual({ duration: expect.closeTo(length, 0), videoWidth: 320, hasMoved: true })
    expectRedirects(mode, /^hls\/v0\/seg \d+\.ts$/, 2)
    if (mode === 'PRESIGN') expect(new Set(redirected.map(({ headers }) => headers.origin))).toEqual(new Set(['null']))
  })

  it.each(modes)('plays and seeks the playlist by a media element alone (%s)', async (mode) => {
    const expected = { duration: expect.closeTo(length, 0), videoWidth: 320, hasMoved: true }
    expect(await play(links[mode].hls, 'native with CORS')).toEqual(expected)
    expectRedirects(mode, /^hls\/v0\/seg \d+\.ts$/, 2)
    redirected = []
    expect(await play(links[mode].hls, 'native')).toEqual(expected)
    // Chromium refuses a segment that it gets by a redirect to another origin.
    expect(redirected).toEqual([])
  })

  it.each(modes)('loads a glTF with its buffer and texture by three.js (%s)', async (mode) => {
    const seen = await page.evaluate(async (url) => {
      const { GLTFLoader } = globalThis as never as { GLTFLoader: new () => { loadAsync(url: string): Promise<Model> } }
      const { scene } = await new GLTFLoader().loadAsync(url)
      const [mesh] = scene.children
      const { width, height } = mesh!.material.map.image
      return { vertices: mesh!.geometry.attributes.position.count, width, height }
    }, links[mode].model)
    expect(seen).toEqual({ vertices: 3, width: 4, height: 2 })
    expectRedirects(mode, /^model\/(?:data\/mesh\.bin|textures\/a #b\.png)$/, 2)
  })

  it.each(modes.flatMap((mode) => (['hls', 'dash'] as const).map((kind) => [mode, kind] as const)))(
    'is read by ffmpeg to its end (%s, %s)',
    async (mode, kind) => {
      const count = ['-v', 'error', '-count_packets', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0']
      const { stdout } = await run('ffprobe', [...count, links[mode][kind]])
      expect(Number.parseInt(stdout, 10)).toBe(length * 10)
      expectRedirects(mode, /\.(?:ts|m4s)$/, length)
    },
  )
})

interface HlsPlayer {
  on(name: 'hlsError', listener: (name: string, fault: { fatal: boolean; details: string }) => void): void
  loadSource(url: string): void
  attachMedia(video: HTMLVideoElement): void
}

interface Model {
  scene: {
    children: {
      geometry: { attributes: { position: { count: number } } }
      material: { map: { image: { width: number; height: number } } }
    }[]
  }
}
