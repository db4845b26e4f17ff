import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium } from 'playwright-core'

/** Chromium, which plays a sound in a media element. */
export async function openBrowser() {
  const site = createServer((_req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>'))
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
  })
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
  return {
    /** Seeks to places in the whole sound and plays its last half second. Rejects if an element reports an error. */
    async hear(element: 'audio' | 'video', url: string): Promise<'played'> {
      await page.evaluate(
        async ([name, src]) => {
          const media = document.createElement(name as 'audio')
          media.muted = true
          const event = (type: string) =>
            new Promise<void>((resolve, reject) => {
              media.addEventListener(type, () => resolve(), { once: true })
              media.addEventListener('error', () => reject(new Error(media.error?.message)), { once: true })
              setTimeout(() => reject(new Error(`Waited 20 s for ${type}`)), 20_000)
            })
          const loaded = event('loadedmetadata')
          media.src = src!
          await loaded
          for (const part of [0.9, 0.1, 0.5]) {
            const seeked = event('seeked')
            media.currentTime = media.duration * part
            await seeked
          }
          const ended = event('ended')
          media.currentTime = media.duration - 0.5
          await media.play()
          await ended
          media.removeAttribute('src')
          media.load()
        },
        [element, url],
      )
      return 'played'
    },
    async close() {
      await browser.close()
      site.close()
    },
  }
}
