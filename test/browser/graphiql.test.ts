import { existsSync } from 'node:fs'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const browserPath = process.env.BROWSER_PATH || '/usr/bin/chromium'

// Needs a browser; CI installs one and sets BROWSER_TESTS, so that a missing one fails there.
describe.runIf(existsSync(browserPath) || process.env.BROWSER_TESTS)('the GraphiQL page', () => {
  let app: TestApp
  let browser: Browser
  beforeAll(async () => {
    app = await startTestApp()
    browser = await chromium.launch({
      executablePath: browserPath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await app?.stop()
  })

  it('runs an operation under its policy, which blocks nothing that it needs', async () => {
    const page = await browser.newPage()
    const blocked: string[] = []
    page.on('console', (message) => {
      if (/Content Security Policy/i.test(message.text())) blocked.push(message.text())
    })
    page.on('pageerror', (error) => blocked.push(error.message))
    await page.addInitScript(() => {
      // The page keeps headers of an earlier visit here.
      document.addEventListener('securitypolicyviolation', (event) =>
        console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI}`),
      )
    })
    await page.goto(`${app.url}/graphql`)
    await page.getByRole('button', { name: /execute/i }).waitFor({ timeout: 20_000 })
    const answered = page.waitForResponse((response) => response.request().method() === 'POST', { timeout: 20_000 })
    await page.getByRole('button', { name: /execute/i }).click()
    expect([200, 401]).toContain((await answered).status())
    expect(blocked).toEqual([])
    await page.close()
  })

  it('cannot be embedded in a frame', async () => {
    const page = await browser.newPage()
    await page.goto(`${app.url}/health`)
    const other = await browser.newPage()
    await other.setContent(`<iframe src="${app.url}/graphql"></iframe>`)
    const frame = await (await other.waitForSelector('iframe')).contentFrame()
    await frame!.waitForLoadState()
    expect(await frame!.locator('#root').count()).toBe(0)
    await Promise.all([page.close(), other.close()])
  })
})
