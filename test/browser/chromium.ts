import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { type Browser, chromium, type Page } from 'playwright-core'

export const browserPath = process.env.BROWSER_PATH || '/usr/bin/chromium'

/** Starts a web site with an empty page, and with the scripts of `folders` below their paths (`/name/`). */
export async function startSite(folders: Record<string, string> = {}): Promise<{ origin: string; close(): void }> {
  const site = createServer((req, res) => {
    const path = Object.keys(folders).find((start) => req.url!.startsWith(start))
    if (path === undefined) return res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><body>')
    const file = join(folders[path]!, req.url!.slice(path.length))
    return res.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(file))
  })
  site.listen(0, '127.0.0.1')
  await waitFor(site, 'listening')
  return { origin: `http://127.0.0.1:${(site.address() as AddressInfo).port}`, close: () => site.close() }
}

/** Starts Chromium, and opens the page of a site. */
export async function openBrowser(origin: string): Promise<{ browser: Browser; page: Page }> {
  const browser = await chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  })
  const page = await browser.newPage()
  await page.goto(`${origin}/`)
  return { browser, page }
}
