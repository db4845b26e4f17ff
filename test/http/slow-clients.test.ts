import { connect } from 'node:net'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app?.stop())

/** Sends `head`, then `drip` five times a second, until the server closes; resolves with what it sent. */
async function dripping(head: string, drip: string): Promise<string> {
  const { hostname, port } = new URL(app.url)
  const socket = connect(Number(port), hostname)
  let received = ''
  socket.on('data', (data) => {
    received += data
  })
  // The server closes while this client still writes.
  socket.on('error', () => {})
  socket.write(head)
  const timer = setInterval(() => socket.write(drip), 200)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(timer)
  return received
}

describe('a client that sends too slowly', () => {
  it.concurrent('is answered 408 while it sends headers', async () => {
    const received = await dripping(`GET /health HTTP/1.1\r\nHost: ${new URL(app.url).host}\r\nX-A: `, 'a')
    expect(received).toMatch(/^HTTP\/1\.1 408 /)
  }, 20_000)

  it.concurrent('is disconnected when it sends a body to a route that reads none', async () => {
    const head = `POST /health HTTP/1.1\r\nHost: ${new URL(app.url).host}\r\nContent-Length: 100000\r\n\r\n`
    expect(await dripping(head, 'a')).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i)
  })

  it.concurrent('is closed with 4408 when it opens a WebSocket and sends no connection_init', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const code = await new Promise((resolve) => socket.once('close', resolve))
    expect(code).toBe(4408)
  }, 20_000)
})
