import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
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
import { length, makeModel, makePictures, makeRecording } from './media-sets.ts'

const missing = [
  ...(existsSync(browserPath) ? [] : [`a Chromium (${browserPath}, or BROWSER_PATH)`]),
  ...['ffmpeg', 'ffprobe'].filter((command) => spawnSync(command, ['-version']).error !== undefined),
]
const required = Boolean(process.env.BROWSER_TESTS)
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const run = promisify(execFile)
const modes = ['PRESIGN', 'PROXY'] as const

// Needs tools of the system; CI installs them and sets BROWSER_TESTS, so that a missing one fails there.
describe.runIf(missing.length === 0 || required)('media that consists of several files', () => {
  let world: World
  let front: Front
  let browser: Browser
  let site: Awaited<ReturnType<typeof startSite>>
  let page: Page
  const links: Record<(typeof modes)[number], Record<'hls' | 'dash' | 'model' | 'vtt' | 'dzi', string>> = {
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
    const bucket = await world.bucket({ ...makeRecording(), ...makeModel(), ...makePictures() })
    for (const mode of modes) {
      const projectId = await createProject(world.app)
      const location = { s3: { bucket, endpoint: front.endpoint, ...credentials } }
      await createStorage(world.app, { projectId, location, presign: mode === 'PRESIGN', skipCheck: true })
      const uri = (key: string) => `s3://${bucket}/${key}`
      const data = {
        ...{ hls: uri('hls/master.m3u8'), dash: uri('dash/a.mpd') },
        ...{ model: uri('model/a.gltf'), vtt: uri('text/a.vtt'), dzi: uri('image/a.dzi') },
      }
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
    // No token of a link goes to the bucket.
    expect(redirected.filter(({ headers }) => JSON.stringify(headers).includes('/files/'))).toEqual([])
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

  it.each(modes)('shows the picture that a track of subtitles names (%s)', async (mode) => {
    const seen = await page.evaluate(async (url) => {
      const video = document.createElement('video')
      video.crossOrigin = 'anonymous'
      const track = Object.assign(document.createElement('track'), { kind: 'metadata', src: url })
      const loaded = new Promise((resolve, reject) => {
        track.addEventListener('load', resolve, { once: true })
        track.addEventListener('error', () => reject(new Error('The track was not loaded.')), { once: true })
      })
      video.append(track)
      document.body.replaceChildren(video)
      track.track.mode = 'hidden'
      await loaded
      const [cue] = track.track.cues!
      const image = Object.assign(new Image(), { src: new URL((cue as VTTCue).text, track.src).href })
      await image.decode()
      return [image.naturalWidth, image.naturalHeight]
    }, links[mode].vtt)
    expect(seen).toEqual([8, 2])
    expectRedirects(mode, /^text\/pictures\/a b\.png$/, 1)
  })

  it.each(modes)('shows a tile of an image pyramid (%s)', async (mode) => {
    const seen = await page.evaluate(async (url) => {
      const text = await (await fetch(url)).text()
      const format = new DOMParser().parseFromString(text, 'text/xml').documentElement.getAttribute('Format')
      const image = Object.assign(new Image(), { src: `${url.replace(/\.dzi$/, '_files/')}0/0_0.${format}` })
      await image.decode()
      return [image.naturalWidth, image.naturalHeight]
    }, links[mode].dzi)
    expect(seen).toEqual([6, 2])
    expectRedirects(mode, /^image\/a_files\/0\/0_0\.png$/, 1)
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
