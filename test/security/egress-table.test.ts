import { isIP } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createEgress, type Egress } from '../../src/security/egress.ts'
import { canonicalHost } from '../../src/security/host.ts'
import { type AddressForm, closedForms } from './address-forms.ts'
import { clients, type EgressClient, elsewhere } from './egress-clients.ts'
import { type Sink, startSink } from './sink.ts'
import { tapSockets } from './tapped-sockets.ts'

/** Of documentation, so public; the sink stands in for it. */
const publicAddress = '203.0.113.7'
const atOnce = 48

/** What a resolver answers for a form: it knows addresses only, in their one spelling. */
const addressOf = ({ text, isName }: AddressForm) => (isName ? '127.0.0.1' : canonicalHost(text)!)
/** A form as the host of a URL. */
const hostOf = ({ text }: AddressForm) => (text.includes(':') ? `[${text}]` : text)
const addresses = [...new Set(closedForms.map(addressOf))]

/** The layer of a server that strangers can reach, with default settings. */
const egressWith = (resolve: (name: string) => string): Egress =>
  createEgress(
    { isLocal: false, allowed: [], blocked: [] },
    {
      resolve: async (name) => {
        const address = name === elsewhere ? publicAddress : resolve(name)
        return [{ address, family: isIP(address) }]
      },
    },
  )

/** Does the same for many inputs, some at a time. */
async function forEach<T>(inputs: readonly T[], work: (input: T) => Promise<void>): Promise<void> {
  const queue = [...inputs]
  const lane = async () => {
    for (let input = queue.shift(); input !== undefined; input = queue.shift()) await work(input)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

/** Opens a client and uses it so many times; the error of each time. A client that cannot be opened ends with that. */
async function useClient(
  client: EgressClient,
  host: string,
  { egress, times = 1 }: { egress: Egress; times?: number },
) {
  const errors: string[] = []
  const tell = (error: { code?: string; message: string }) => void errors.push(error.code ?? error.message)
  const opened = await client.open(host, egress).catch(tell)
  if (!opened) return errors
  for (let n = 0; n < times; n++) await opened.use().then(() => errors.push('none'), tell)
  opened.close()
  return errors
}

describe.each(clients)('$name', (client) => {
  const { code = 'BLOCKED_ADDRESS' } = client
  let sink: Sink
  let tap: ReturnType<typeof tapSockets>
  beforeAll(async () => {
    sink = await startSink({ moved: '169.254.169.254:6379' })
    tap = tapSockets({ sink: sink.port, reachable: [publicAddress] })
    // The sink's certificate is of no authority.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  })
  afterAll(async () => {
    tap.restore()
    vi.unstubAllEnvs()
    await sink.stop()
  })
  afterEach(() => {
    tap.dials.splice(0)
    sink.requests.splice(0)
  })
  const closedDials = () => [...new Set(tap.dials.map(({ address }) => address))].filter((one) => one !== publicAddress)

  it(`connects to none of ${closedForms.length} closed forms that are entered as the host`, async () => {
    const codes = new Set<string>()
    await forEach(closedForms, async (form) => {
      const egress = egressWith((name) =>
        canonicalHost(name) === canonicalHost(form.text) ? '127.0.0.1' : addressOf(form),
      )
      const errors = await useClient(client, hostOf(form), { egress })
      for (const error of errors) codes.add(error)
    })
    expect(closedDials()).toEqual([])
    // Others are no host by the input check, such as a zone in a URL.
    expect([...codes]).toContain(code)
    expect([...codes]).not.toContain('none')
  })

  it(`connects to none of ${addresses.length} closed addresses that a name means`, async () => {
    await forEach(addresses, async (address) => {
      const errors = await useClient(client, 'named.test', { egress: egressWith(() => address) })
      expect(errors, address).toEqual([code])
    })
    expect(tap.dials.filter(({ address }) => address !== publicAddress)).toEqual([])
  })

  it('connects to no closed address that is one of several of a name', async () => {
    await forEach(addresses, async (address) => {
      const egress = createEgress(
        { isLocal: false, allowed: [], blocked: [] },
        { resolve: async () => [publicAddress, address].map((one) => ({ address: one, family: isIP(one) })) },
      )
      expect(await useClient(client, 'mixed.test', { egress }), address).toEqual([code])
    })
    expect(tap.dials).toEqual([])
  })

  it('connects to no closed address that a name means after the check (rebinding)', async () => {
    await forEach(addresses, async (address) => {
      let lookups = 0
      const egress = egressWith(() => (lookups++ === 0 ? publicAddress : address))
      const errors = await useClient(client, 'rebound.test', { egress })
      expect(errors, address).toEqual([code])
      expect(lookups).toBeGreaterThan(1)
    })
    expect(closedDials()).toEqual([])
  })

  it.each([301, 302, 303, 307, 308])('follows no redirect with status %i', async (status) => {
    await forEach(closedForms, async (form) => {
      const target = Buffer.from(`http://${hostOf(form)}/latest/meta-data`).toString('hex')
      const host = `${status}.${target.replace(/.{60}/g, '$&.').replace(/\.$/, '')}.test`
      const names = new Set<string>()
      const egress = egressWith((name) => {
        names.add(name)
        return publicAddress
      })
      const [error] = await useClient(client, host, { egress })
      expect(error).not.toBe('none')
      const expected = client.dials?.(host) ?? [host]
      expect(
        [...names].filter((name) => !expected.includes(name)),
        form.text,
      ).toEqual([])
    })
    expect(closedDials()).toEqual([])
    // It did ask, so that it could have been led away.
    expect(sink.requests.length).toBeGreaterThanOrEqual(closedForms.length)
  })

  it('checks again when it has been cached and the name means a closed address later', async () => {
    await forEach(addresses, async (address) => {
      let current = publicAddress
      const egress = egressWith(() => current)
      const opened = await client.open('cached.test', egress)
      await opened.use().catch(() => {})
      const dialled = tap.dials.length
      expect(dialled).toBeGreaterThan(0)
      current = address
      await expect(opened.use(), address).rejects.toMatchObject({ code })
      opened.close()
    })
    expect(closedDials()).toEqual([])
  })
})
