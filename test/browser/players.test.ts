import { existsSync } from 'node:fs'
import { type Front, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { mediaLinkOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { browserPath, openBrowser, startSite } from './chromium.ts'

const required = Boolean(process.env.BROWSER_TESTS)
const minutes = 60

/** A WAV file (RIFF) of an hour: mono, 8 bits, 8 kHz, a quiet saw tooth. */
function wavOf(seconds: number): Uint8Array {
  const rate = 8_000
  const bytes = Buffer.alloc(44 + seconds * rate)
  bytes.write('RIFF', 0)
  bytes.writeUInt32LE(bytes.length - 8, 4)
  bytes.write('WAVEfmt ', 8)
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(rate, 24)
  bytes.writeUInt32LE(rate, 28)
  bytes.writeUInt16LE(1, 32)
  bytes.writeUInt16LE(8, 34)
  bytes.write('data', 36)
  bytes.writeUInt32LE(seconds * rate, 40)
  for (let at = 44; at < bytes.length; at++) bytes[at] = 120 + (at % 16)
  return bytes
}

// Needs a browser; CI installs it and sets BROWSER_TESTS, so that a missing one fails there.
describe.runIf(existsSync(browserPath) || required)('a recording of an hour in a browser', () => {
  let world: World
  let front: Front
  let browser: Browser
  let site: Awaited<ReturnType<typeof startSite>>
  let page: Page
  let bucket: string
  /** Minutes by which the clock of the bucket is ahead. */
  let ahead = 0

  beforeAll(async () => {
    site = await startSite()
    const { origin } = site
    world = await startWorld({ CORS_ORIGINS: origin })
    bucket = await world.bucket({ 'in/hour.wav': wavOf(minutes * 60) as never })
    front = await startFront({
      target: world.s3.endpoint,
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      clock: () => Date.now() + ahead * 60_000,
    })
    ;({ browser, page } = await openBrowser(origin))
  })
  afterAll(async () => {
    await browser?.close()
    site?.close()
    await front?.stop()
    await world?.stop()
  })

  async function linkOf(settings: object): Promise<string> {
    ahead = 0
    const projectId = await createProject(world.app)
    const s3 = { bucket, prefix: 'in/', endpoint: front.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' }
    const { storage } = await createStorage(world.app, { projectId, location: { s3 }, skipCheck: true, ...settings })
    await sync(world.app, storage.id)
    return mediaLinkOf(world.app, projectId)
  }

  /** Plays the start, lets so many minutes pass in the bucket, and seeks to the end. Returns the position, or the error. */
  async function seekAfter(link: string, passed: number): Promise<number | string> {
    await page.evaluate(async (url) => {
      const audio = document.createElement('audio')
      audio.muted = true
      audio.preload = 'metadata'
      audio.src = url
      document.body.replaceChildren(audio)
      await new Promise((resolve, reject) => {
        audio.addEventListener('loadedmetadata', resolve, { once: true })
        audio.addEventListener('error', () => reject(new Error(audio.error?.message)), { once: true })
      })
    }, link)
    ahead = passed
    return page.evaluate(async () => {
      const audio = document.querySelector('audio')!
      const ended = new Promise<number | string>((resolve) => {
        audio.addEventListener('seeked', () => resolve(audio.currentTime), { once: true })
        audio.addEventListener('error', () => resolve('error'), { once: true })
      })
      audio.currentTime = 3_500
      return ended
    })
  }

  it.each([
    ['a presigned URL', { presign: true }],
    ['a stream', { presign: false }],
  ])('can be seeked by %s after presignTtlMinutes have passed', async (_name, settings) => {
    expect(await seekAfter(await linkOf(settings), 30)).toBe(3_500)
  })

  it('cannot be seeked once its presigned URL has expired, which shows that the test can fail', async () => {
    expect(await seekAfter(await linkOf({ presign: true, mediaTtlMinutes: 15 }), 30)).toBe('error')
  })
})
