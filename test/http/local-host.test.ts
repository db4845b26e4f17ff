import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** Sends lines as they are, and returns the whole response. */
async function send(port: number, ...lines: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await waitFor(socket, 'connect')
  socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`)
  return text(socket)
}

const statusOf = (response: string) => Number(response.split(' ')[1])
const upgrade = [
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: graphql-transport-ws',
]

/** The response to a WebSocket's handshake, up to the end of its head. */
async function handshake(port: number, host: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(['GET /graphql HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', ...upgrade, '', ''].join('\r\n'))
  const [data] = await waitFor(socket, 'data')
  socket.destroy()
  return String(data)
}

describe('a server in local mode', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  it.each(['localhost', 'LOCALHOST:80', 'localhost.', '127.0.0.1', '127.9.9.9:1', '[::1]:4000', 'sluice.localhost'])(
    'answers requests for %s',
    async (host) => {
      expect(statusOf(await send(app.port, 'GET /health HTTP/1.1', `Host: ${host}`))).toBe(200)
      expect(statusOf(await handshake(app.port, host))).toBe(101)
    },
  )

  it.each([
    'evil.test',
    'localhost.evil.test',
    '10.0.0.5:4000',
    '0.0.0.0',
    '[::]',
    '[fe80::1]',
    'user@localhost',
    'a, localhost',
    '',
  ])('refuses requests for "%s" with 421 that names PUBLIC_URL, on every route', async (host) => {
    for (const path of ['/', '/graphql', '/health', '/ready', '/metrics', '/links/x', '/nowhere']) {
      const response = await send(app.port, `GET ${path} HTTP/1.1`, `Host: ${host}`)
      expect(statusOf(response), path).toBe(421)
      expect(response).toContain('PUBLIC_URL')
    }
    const query = ['POST /graphql HTTP/1.1', `Host: ${host}`, 'Content-Type: application/json', 'Content-Length: 0']
    expect(statusOf(await send(app.port, ...query))).toBe(421)
    const refused = await handshake(app.port, host)
    expect(statusOf(refused)).toBe(421)
    expect(refused).toContain('PUBLIC_URL')
  })

  it('refuses a request without exactly one Host header, and one whose target or proxy names another host', async () => {
    expect(statusOf(await send(app.port, 'GET /health HTTP/1.0'))).toBe(421)
    const twice = await send(app.port, 'GET /health HTTP/1.1', 'Host: localhost', 'Host: evil.test')
    expect([400, 421]).toContain(statusOf(twice))
    const target = await send(app.port, 'GET http://evil.test/health HTTP/1.1', 'Host: localhost')
    expect(statusOf(target)).toBe(421)
    const proxied = ['Host: 127.0.0.1:4000', 'X-Forwarded-Host: label.example.com']
    expect(statusOf(await send(app.port, 'GET /health HTTP/1.1', ...proxied))).toBe(421)
  })
})

describe('a server that is not in local mode', () => {
  it.each<Record<string, string>>([{ HOST: '0.0.0.0' }, { SLUICE_ROLES: 'api' }])(
    'answers requests for any host (%o)',
    async (env) => {
      const app = await startTestApp(env)
      try {
        expect(statusOf(await send(app.port, 'GET /health HTTP/1.1', 'Host: label.example.com'))).toBe(200)
        expect(statusOf(await handshake(app.port, 'label.example.com'))).toBe(101)
      } finally {
        await app.stop()
      }
    },
  )
})
