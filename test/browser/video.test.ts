import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sync } from '@sluice/testkit/scenario.ts'
import { mediaLinkOf, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { browserPath, openBrowser, startSite } from './chromium.ts'

const has = (command: string) => spawnSync(command, ['-version']).error === undefined
const missing = [
  ...(existsSync(browserPath) ? [] : [`a Chromium (${browserPath}, or BROWSER_PATH)`]),
  ...['ffmpeg', 'ffprobe'].filter((command) => !has(command)),
]
const required = Boolean(process.env.BROWSER_TESTS)

const run = promisify(execFile)
/** Seconds of the video. */
const length = 60

// Needs tools of the system; CI installs them and sets BROWSER_TESTS, so that a missing one fails there.
describe.runIf(missing.length === 0 || required)('a video in a task', () => {
  let world: World
  let browser: Browser
  let site: Awaited<ReturnType<typeof startSite>>
  let page: Page
  /** Of the site that shows the links. */
  let origin: string
  const links: Record<'PRESIGN' | 'PROXY', string> = { PRESIGN: '', PROXY: '' }

  beforeAll(async () => {
    expect(missing).toEqual([])
    const folder = mkdtempSync(join(tmpdir(), 'sluice-video-'))
    const file = join(folder, 'clip.webm')
    const source = ['-f', 'lavfi', '-i', `testsrc=size=320x240:rate=10:duration=${length}`]
    const coding = [
      '-c:v',
      'libvpx',
      '-b:v',
      '600k',
      '-minrate',
      '600k',
      '-g',
      '10',
      '-deadline',
      'realtime',
      '-cpu-used',
      '8',
    ]
    execFileSync('ffmpeg', ['-v', 'error', ...source, ...coding, file])
    const video = readFileSync(file)
    rmSync(folder, { recursive: true })
    site = await startSite()
    origin = site.origin
    world = await startWorld({ RESOLVER_PROXY_MAX_RANGE_SIZE: '262144', CORS_ORIGINS: origin })
    for (const mode of ['PRESIGN', 'PROXY'] as const) {
      const storage = await world.storage({ objects: { 'clip.webm': video }, presign: mode === 'PRESIGN' })
      await sync(world.app, storage.id)
      links[mode] = await mediaLinkOf(world.app, storage.project)
    }
    ;({ browser, page } = await openBrowser(origin))
  })
  afterAll(async () => {
    await browser?.close()
    site?.close()
    await world?.stop()
  })

  it.each(['PRESIGN', 'PROXY'] as const)('plays and seeks in a browser by %s', async (mode) => {
    const seen = await page.evaluate(async (url) => {
      const video = document.createElement('video')
      video.muted = true
      video.src = url
      document.body.append(video)
      const event = (name: string) =>
        new Promise((resolve, reject) => {
          video.addEventListener(name, resolve, { once: true })
          video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true })
        })
      await event('loadedmetadata')
      const { duration, videoWidth } = video
      const seeked: number[] = []
      for (const time of [50, 5, 30]) {
        const done = event('seeked')
        video.currentTime = time
        await done
        seeked.push(video.currentTime)
      }
      const moved = event('timeupdate')
      await video.play()
      await moved
      return { duration, videoWidth, seeked }
    }, links[mode])
    expect(seen).toEqual({ duration: expect.closeTo(length, 0), videoWidth: 320, seeked: [50, 5, 30] })
  })

  it.each(['PRESIGN', 'PROXY'] as const)('can be seeked by ffmpeg and ffprobe by %s', async (mode) => {
    // Not by their sync forms: the server runs in this process.
    const asked = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', links[mode]]
    const { stdout: duration } = await run('ffprobe', asked)
    expect(Number(duration)).toBeCloseTo(length, 0)
    const wanted = ['-ss', '45', '-i', links[mode], '-frames:v', '1', '-f', 'image2pipe', '-c:v', 'png', '-']
    const { stdout: frame } = await run('ffmpeg', ['-v', 'error', ...wanted], {
      encoding: 'buffer',
      maxBuffer: 2 ** 24,
    })
    expect(frame.subarray(1, 4).toString()).toBe('PNG')
  })

  it('is a 404 for an image element if it does not exist', async () => {
    const url = new URL(links.PROXY)
    const uri = Buffer.from(url.searchParams.get('fileuri')!, 'base64url').toString()
    url.searchParams.set('fileuri', Buffer.from(uri.replace('clip.webm', 'none.png')).toString('base64url'))
    const event = await page.evaluate(
      (src) =>
        new Promise((resolve) => {
          const image = new Image()
          image.onload = () => resolve('load')
          image.onerror = () => resolve('error')
          image.src = src
        }),
      url.href,
    )
    expect([event, (await fetch(url)).status]).toEqual(['error', 404])
  })

  it('can be read in parts by scripts of the configured origin, and of no other', async () => {
    const read = (where: Page) =>
      where.evaluate(async (url) => {
        try {
          const answer = await fetch(url, { headers: { range: 'bytes=4-7' } })
          return [
            answer.status,
            answer.headers.get('content-range')?.split('/')[0],
            (await answer.arrayBuffer()).byteLength,
          ]
        } catch {
          return 'refused'
        }
      }, links.PROXY)
    expect(await read(page)).toEqual([206, 'bytes 4-7', 4])
    const other = await browser.newPage()
    await other.goto(origin.replace('127.0.0.1', 'localhost'))
    expect(await read(other)).toBe('refused')
    await other.close()
  })

  it('can be beside a web page, which is displayed without running its script', async () => {
    const html = '<!doctype html><title>still</title><script>document.title = "run"</script><p>shown'
    const storage = await world.storage({ objects: { 'page.html': html }, presign: false })
    await sync(world.app, storage.id)
    const [task] = await tasksOf(world.app, storage.project)
    const { task: read } = await world.app.request(
      'query ($id: ID!) { task(id: $id) { resolvedData(mediaToken: true) } }',
      { id: task!.id },
    )
    const shown = await browser.newPage()
    await shown.goto(read.resolvedData.file)
    expect([await shown.textContent('p'), await shown.title()]).toEqual(['shown', 'still'])
    await shown.close()
  })
})
