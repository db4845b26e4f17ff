import { SluiceError } from '../errors.ts'
import { formsOf, kindOfAddress } from './address.ts'
import { isBadPort } from './bad-ports.ts'
import { canonicalHost } from './host.ts'
import { contains, type Network, readNetwork, unmapped } from './network.ts'

/** The target of a connection. */
export interface EgressTarget {
  /** A name or an address, in any spelling. */
  host: string
  port: number
  /** True for HTTP and HTTPS, for which some ports are forbidden. */
  isHttp: boolean
}

/** The target of a request to a URL. */
export function targetOf({ hostname, port, protocol }: URL): EgressTarget {
  return { host: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)), isHttp: true }
}

/** Settings of the operator. */
export interface EgressRules {
  /** Local mode: only programs on this machine can reach the server, so private networks are open (see `isLocalMode`). */
  isLocal: boolean
  /** Internal networks, hosts and `host:port` that are open. */
  allowed: readonly string[]
  /** Networks that are closed in addition to those of the built-in rules. */
  blocked: readonly string[]
}

/** Decides about one connection. */
interface EgressPolicy {
  /** Why clients must not connect to the port. Undefined if they may. */
  refusePort(target: EgressTarget): SluiceError | undefined
  /** Why clients must not connect to the target. One refused address is enough. Undefined if all `addresses` are allowed. */
  refuse(target: EgressTarget, addresses: readonly string[]): SluiceError | undefined
}

/** @throws Error if a rule cannot be parsed */
export function createEgressPolicy({ isLocal, allowed, blocked }: EgressRules): EgressPolicy {
  const blockedNetworks = blocked.map(networkOf)
  const allowedNetworks = allowed.filter((entry) => readNetwork(entry)).map(networkOf)
  const allowedHosts = allowed.filter((entry) => !readNetwork(entry)).map(hostAndPort)
  const isIn = (networks: readonly Network[], address: string) =>
    formsOf(address).some((bytes) => networks.some((network) => contains(network, bytes)))

  const isListed = ({ host, port }: EgressTarget, address: string) =>
    isIn(allowedNetworks, address) ||
    allowedHosts.some((entry) => entry.host === canonicalHost(host) && (entry.port ?? port) === port)

  const refuseAddress = (target: EgressTarget, address: string): SluiceError | undefined => {
    const kind = kindOfAddress(address)
    if (kind === 'CLOSED') return blockedError(closedMessage(target.host))
    if (isIn(blockedNetworks, address)) return blockedError(blockedMessage(target.host))
    if (kind === 'PUBLIC' || isLocal || isListed(target, address)) return undefined
    return blockedError(internalMessage(target))
  }

  return {
    refusePort({ port, isHttp }) {
      return isHttp && isBadPort(port) ? blockedError(portMessage(port)) : undefined
    },
    refuse(target, addresses) {
      for (const address of addresses) {
        const refusal = refuseAddress(target, address)
        if (refusal) return refusal
      }
      return undefined
    },
  }
}

function networkOf(text: string): Network {
  const network = readNetwork(text)
  if (!network) throw new Error(`${text} is not a network such as 10.0.0.0/8`)
  return unmapped(network)
}

function hostAndPort(text: string): { host: string; port: number | undefined } {
  const [, name = '', port] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? []
  const host = canonicalHost(name)
  if (host === undefined) throw new Error(`${text} is not a host such as minio or minio:9000`)
  return { host, port: port === undefined ? undefined : Number(port) }
}

const blockedError = (message: string) => new SluiceError('BLOCKED_ADDRESS', message)

const closedMessage = (host: string) =>
  `The server may not connect to ${host}: its address is that of a metadata service, or is link-local, multicast, unspecified or reserved. No setting opens it. Use another address.`

const blockedMessage = (host: string) =>
  `The server may not connect to ${host}: the setting EGRESS_BLOCKED of the server closes its network.`

const internalMessage = ({ host, port }: EgressTarget) => {
  const name = host.replace(/^\[|\]$/g, '')
  const entry = `${name.includes(':') ? `[${name}]` : name}:${port}`
  return `The server may not connect to ${name}: it has a loopback, private or carrier address. To open it, add ${entry} to the setting EGRESS_ALLOWED of the server.`
}

const portMessage = (port: number) =>
  `The server sends no HTTP to port ${port}, which belongs to another protocol (Fetch standard, "Port blocking"). No setting opens it. Use another port.`
