import { isIP } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { providers } from '../../src/providers/registry.ts'
import { createEgress, type Egress } from '../../src/security/egress.ts'
import type { EgressRules } from '../../src/security/egress-policy.ts'
import { canonicalHost } from '../../src/security/host.ts'
import { isLocalMode } from '../../src/security/local-mode.ts'
import { type AddressForm, closedForms } from './address-forms.ts'
import { clients, type EgressClient, elsewhere } from './egress-clients.ts'
import { type Sink, startSink } from './sink.ts'
import { tapSockets } from './tapped-sockets.ts'

// What a client waits between its attempts takes no time here.
vi.mock('node:timers/promises', async (original) => ({ ...(await original<object>()), setTimeout: async () => {} }))

/** Of documentation, so public; the sink stands in for it. */
const publicAddress = '203.0.113.7'
const atOnce = 48
const cachedClients = 17

/** What a resolver answers for a form: it knows addresses only, in their one spelling. */
const addressOf = ({ text, isName }: AddressForm) => (isName ? '127.0.0.1' : canonicalHost(text)!)
/** A form as the host of a URL. */
const hostOf = ({ text }: AddressForm) => (text.includes(':') ? `[${text}]` : text)
const addresses = [...new Set(closedForms.map(addressOf))]

/** The rules of a server that strangers can reach, with default settings. */
const rules = (settings: object = {}): EgressRules => {
  const config = readConfig({ HOST: '0.0.0.0', ...settings })
  return { isLocal: isLocalMode(config), allowed: config.EGRESS_ALLOWED, blocked: config.EGRESS_BLOCKED }
}

/** The layer of such a server, where names have the addresses that `resolve` says. */
const egressWith = (resolve: (name: string) => string | string[], settings?: object): Egress =>
  createEgress(rules(settings), {
    resolve: async (name) =>
      [name === elsewhere ? publicAddress : resolve(name)]
        .flat()
        .map((address) => ({ address, family: isIP(address) })),
  })

/** Does the same for many inputs, some at a time. */
async function forEach<T>(inputs: readonly T[], work: (input: T) => Promise<void>): Promise<void> {
  const queue = [...inputs]
  const lane = async () => {
    for (let input = queue.shift(); input !== undefined; input = queue.shift()) await work(input)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

/** Opens a client and uses it once. Returns the error's code or message, 'none' if there was no error. */
async function useClient(client: EgressClient, host: string, egress: Egress): Promise<string> {
  try {
    const opened = await client.open(host, egress)
    await opened.use().finally(() => opened.close())
    return 'none'
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return code ?? message
  }
}

let sink: Sink
let tap: ReturnType<typeof tapSockets>
beforeAll(async () => {
  sink = await startSink({ moved: '169.254.169.254' })
  tap = tapSockets({ sink: sink.port, reachable: [publicAddress] })
  // The sink's certificate is of no authority.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
})
afterAll(async () => {
  tap?.restore()
  vi.unstubAllEnvs()
  await sink?.stop()
})
afterEach(() => {
  tap.dials.splice(0)
  sink.redirect = undefined
})
const closedDials = () => [...new Set(tap.dials.map(({ address }) => address))].filter((one) => one !== publicAddress)

describe('the table', () => {
  it('has a client for each kind of storage that connects, and at least 72 closed forms', () => {
    const { LOCAL_FILES, ...remote } = providers
    expect(LOCAL_FILES).toBeDefined()
    expect(new Set(clients.flatMap(({ kind }) => kind ?? []))).toEqual(new Set(Object.keys(remote)))
    expect(closedForms.length).toBeGreaterThanOrEqual(72)
    expect(rules()).toEqual({ isLocal: false, allowed: [], blocked: [] })
  })

  it.each(['301', '302', '303', '307', '308'])(
    'observes a client that follows a redirect with status %s',
    async (by) => {
      sink.redirect = () => ({ by, to: '169.254.169.254' })
      await expect(fetch(`http://${publicAddress}/`)).rejects.toThrow()
      expect(closedDials()).toEqual(['169.254.169.254'])
    },
  )
})

describe.each(clients)('$name', (client) => {
  const { code = 'BLOCKED_ADDRESS', redirects = ['301', '302', '303', '307', '308'] } = client

  it('connects to an internal address that EGRESS_ALLOWED lists, which the table observes', async () => {
    const egress = egressWith(() => '10.0.0.1', { EGRESS_ALLOWED: '10.0.0.0/8' })
    expect(await useClient(client, 'allowed.test', egress)).not.toBe('BLOCKED_ADDRESS')
    expect(closedDials()).toEqual(['10.0.0.1'])
  })

  it(`connects to none of ${closedForms.length} closed forms that are entered as the host`, async () => {
    const codes = new Set<string>()
    await forEach(closedForms, async (form) => {
      const egress = egressWith(() => addressOf(form))
      codes.add(await useClient(client, hostOf(form), egress))
      // The client itself refuses, too, if nothing has been checked early.
      codes.add(await useClient(client, hostOf(form), { ...egress, allow: async () => {} }))
    })
    expect(closedDials()).toEqual([])
    // Others are no host by the input check, such as a zone in a URL.
    expect([...codes]).toContain(code)
    expect([...codes]).not.toContain('none')
  })

  it(`connects to none of ${addresses.length} closed addresses that a name means`, async () => {
    await forEach(addresses, async (address) => {
      const refused = await useClient(
        client,
        'named.test',
        egressWith(() => address),
      )
      expect([code, 'BLOCKED_ADDRESS'], address).toContain(refused)
    })
    expect(closedDials()).toEqual([])
  })

  it('connects to no address of a name, if one of several is closed', async () => {
    await forEach(addresses, async (address) => {
      const egress = egressWith(() => [publicAddress, address])
      expect([code, 'BLOCKED_ADDRESS'], address).toContain(await useClient(client, 'mixed.test', egress))
    })
    expect(tap.dials).toEqual([])
  })

  it('connects to no closed address that a name means after the check (rebinding)', async () => {
    await forEach(addresses, async (address) => {
      let lookups = 0
      const egress = egressWith(() => (lookups++ === 0 ? publicAddress : address))
      expect(await useClient(client, 'rebound.test', egress), address).toBe(code)
      expect(lookups).toBeGreaterThan(1)
    })
    expect(closedDials()).toEqual([])
  })

  it.each([...redirects])('follows no redirect to a closed form (%s)', async (by) => {
    let answered = 0
    sink.redirect = () => ({ by, to: hostOf(closedForms[answered++ % closedForms.length]!) })
    const names = new Set<string>()
    const egress = egressWith((name) => {
      names.add(name)
      return publicAddress
    })
    const opened = await client.open('redirect.test', egress)
    // Each use is redirected at least once, to the form that is next.
    for (let uses = 0; answered < closedForms.length && uses < closedForms.length; uses++) {
      await expect(opened.use()).rejects.toThrow()
    }
    opened.close()
    expect(answered).toBeGreaterThanOrEqual(closedForms.length)
    const expected = ['redirect.test', ...(client.dials?.('redirect.test') ?? [])]
    expect([...names].filter((name) => !expected.includes(name))).toEqual([])
    expect(closedDials()).toEqual([])
  })

  it('checks again when it has been cached and the name means a closed address later', async () => {
    // Several clients, since some wait between their attempts; each is used for many addresses.
    const lanes = Array.from({ length: cachedClients }, (_, lane) =>
      addresses.filter((_, n) => n % cachedClients === lane),
    )
    await forEach(lanes, async (own) => {
      let current = publicAddress
      let lookups = 0
      const opened = await client.open(
        'cached.test',
        egressWith(() => {
          lookups++
          return current
        }),
      )
      for (const address of own) {
        const before = lookups
        current = publicAddress
        await expect(opened.use()).rejects.not.toMatchObject({ code: 'BLOCKED_ADDRESS' })
        expect(lookups).toBeGreaterThan(before)
        current = address
        await expect(opened.use(), address).rejects.toMatchObject({ code })
      }
      opened.close()
    })
    expect(tap.dials.length).toBeGreaterThanOrEqual(addresses.length)
    expect(closedDials()).toEqual([])
  })
})
