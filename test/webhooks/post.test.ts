import { localEgress } from '@sluice/testkit/egress.ts'
import { startReceiver } from '@sluice/testkit/receiver.ts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createEgress } from '../../src/security/egress.ts'
import { post } from '../../src/webhooks/post.ts'

const send = (options: Partial<Parameters<typeof post>[0]> & { url: string }) =>
  post({
    headers: {},
    body: '{}',
    egress: localEgress,
    timeoutSeconds: 5,
    signal: new AbortController().signal,
    ...options,
  })

async function receiver() {
  const started = await startReceiver()
  onTestFinished(() => started.stop())
  return started
}

describe('a webhook request', () => {
  it('is sent to the address that was checked, even if the name changes its address', async () => {
    const to = await receiver()
    let lookups = 0
    const egress = createEgress(
      { isLocal: false, allowed: [], blocked: [] },
      { resolve: async () => [{ address: lookups++ === 0 ? '203.0.113.7' : '127.0.0.1', family: 4 }] },
    )
    const url = `http://rebound.test:${to.port}`
    await egress.allow([{ host: 'rebound.test', port: to.port, isHttp: true }])
    await expect(send({ url, egress })).rejects.toMatchObject({
      code: 'BLOCKED_ADDRESS',
      message: expect.stringContaining('EGRESS_ALLOWED'),
    })
    expect(to.received).toEqual([])
    expect(await send({ url: `http://localhost:${to.port}` })).toMatchObject({ status: 200, body: null })
  })

  it('reports why a receiver cannot be reached', async () => {
    await expect(send({ url: 'http://nowhere.invalid' })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/^The receiver cannot be reached: (ENOTFOUND|EAI_AGAIN)\.$/),
    })
    const to = await receiver()
    await expect(send({ url: `https://127.0.0.1:${to.port}` })).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  it('ends at once, with the reason, when its worker stops', async () => {
    const to = await receiver()
    const held = to.fail({ hold: true })
    const stopping = new AbortController()
    const sent = send({ url: to.url, signal: stopping.signal })
    await held.met
    const reason = new Error('stop')
    stopping.abort(reason)
    await expect(sent).rejects.toBe(reason)
    await held.closed
  })

  it.each([
    ['120', 120],
    ['0', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['99999999999999999999', 1e20],
    [new Date(Date.now() - 60_000).toUTCString(), 0],
  ])('reads Retry-After: %s', async (value, seconds) => {
    const to = await receiver()
    to.fail({ status: 503, headers: { 'retry-after': value } })
    expect(await send({ url: to.url })).toMatchObject({ status: 503, retryAfterSeconds: seconds })
  })
})
