import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { SluiceError } from '../errors.ts'

/** Decides which hosts the server may connect to on behalf of those who enter endpoints. */
export interface EgressPolicy {
  /**
   * Resolves if every address of every host may be reached. A host that has no address is left to the connection, which
   * reports it better. Names are looked up here and again by the connection: this keeps out mistakes and plain probing,
   * not a name server that gives two answers.
   * @throws SluiceError BLOCKED_ADDRESS
   */
  allow(hosts: readonly string[]): Promise<void>
}

/** A policy that keeps out the given networks, in CIDR notation such as `169.254.0.0/16`. @throws Error for what is none. */
export function createEgressPolicy(blocked: readonly string[]): EgressPolicy {
  const list = new BlockList()
  for (const network of blocked) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address)
    const bits = Number(prefix ?? (family === 4 ? 32 : 128))
    if (family === 0 || !Number.isInteger(bits)) throw new Error(`${network} is not a network such as 169.254.0.0/16`)
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    async allow(hosts) {
      for (const host of hosts) {
        const name = host.replace(/^\[|\]$/g, '')
        const addresses = isIP(name) ? [{ address: name }] : await lookup(name, { all: true }).catch(() => [])
        for (const { address } of addresses) {
          if (list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')) {
            throw new SluiceError('BLOCKED_ADDRESS', `The server may not connect to ${name}.`)
          }
        }
      }
    },
  }
}
