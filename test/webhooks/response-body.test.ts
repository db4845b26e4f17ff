import { Agent, createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterEach, expect, it } from 'vitest'
import type { Egress } from '../../src/security/egress.ts'
import { post } from '../../src/webhooks/post.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** Posts to a receiver on this machine whose address seems to be `address`. */
async function postTo(address: string) {
  const server = createServer((_req, res) => res.end('a'.repeat(10_000))).listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  stops.push(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  const agent = new Agent()
  agent.createConnection = () => Object.defineProperty(connect(port, '127.0.0.1'), 'remoteAddress', { value: address })
  const egress = { agent: () => agent } as unknown as Egress
  const signal = new AbortController().signal
  return post({ url: `http://receiver.example:${port}/`, headers: {}, body: '{}', egress, timeoutSeconds: 10, signal })
}

it.each(['203.0.113.7', '2001:db8::7'])(
  'the response body of a receiver at the public address %s is stored, up to 4 KiB',
  async (address) => {
    expect(await postTo(address)).toMatchObject({ status: 200, body: 'a'.repeat(4_096) })
  },
)

it.each([
  '127.0.0.1',
  '::1',
  '10.0.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.169.254',
  '::ffff:10.0.0.1',
  'fd00::1',
  '',
])('the response body of a receiver at the address "%s" is not stored', async (address) => {
  expect(await postTo(address)).toMatchObject({ status: 200, body: null })
})
