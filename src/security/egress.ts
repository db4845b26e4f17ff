import dns from 'node:dns'
import type { AgentOptions } from 'node:http'
import { connect, isIP, Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { toError } from '../unknown.ts'
import { createAgent, type Guard, type HttpAgents } from './egress-agents.ts'
import { createEgressPolicy, type EgressRules, type EgressTarget } from './egress-policy.ts'
import { canonicalHost } from './host.ts'

/** Looks a name up. Rejects like `dns.lookup` if it has no address. */
type Resolve = (name: string) => Promise<dns.LookupAddress[]>

/** Options of `net.connect` with an egress target. */
type TcpOptions = Omit<TcpNetConnectOpts, 'host' | 'port' | 'lookup'> & EgressTarget

/**
 * Every client that connects to a host which a user has entered must open its connections here. For each connection, the name
 * is resolved once, all its addresses are checked, and the connection goes to one of these addresses. A connection that is
 * not allowed fails with BLOCKED_ADDRESS before anything is sent.
 */
export interface Egress {
  /**
   * Checks early whether connections would be refused. It ignores a host without an address: the connection will fail.
   * @throws SluiceError BLOCKED_ADDRESS
   */
  allow(targets: readonly EgressTarget[]): Promise<void>
  /** Opens a TCP connection, as `net.connect` does. The socket emits `error` if the target is refused. */
  connect(options: TcpOptions): Socket
  /** Opens a TLS connection, as `tls.connect` does; the name in the certificate is `options.servername`. */
  connectTls(options: TcpOptions & Omit<TlsOptions, keyof TcpOptions>): Socket
  /** An agent for requests of one protocol (`http:` or `https:`). */
  agent(protocol: string, options?: AgentOptions): HttpAgents
}

export function createEgress(rules: EgressRules, { resolve = resolveBySystem }: { resolve?: Resolve } = {}): Egress {
  const policy = createEgressPolicy(rules)

  const resolveChecked = async (target: EgressTarget, name: string): Promise<dns.LookupAddress[]> => {
    const found = await resolve(name)
    const refusal = policy.refuse(
      target,
      found.map(({ address }) => address),
    )
    if (refusal) throw refusal
    return found
  }

  const guard: Guard = (target) => {
    const host = canonicalHost(target.host)
    if (host === undefined) throw notFound(target.host)
    // `net.connect` does not call `lookup` if the host is an IP address, so it is checked here.
    const refusal = policy.refusePort(target) ?? (isIP(host) ? policy.refuse(target, [host]) : undefined)
    if (refusal) throw refusal
    return {
      host,
      lookup: (name, { all }, done) => {
        resolveChecked(target, name).then(
          (found) => {
            const [first] = found
            if (!first) done(notFound(name), '')
            else if (all) done(null, found)
            else done(null, first.address, first.family)
          },
          (error) => done(error, ''),
        )
      },
    }
  }

  const dial = <Options extends TcpOptions>(options: Options, open: (options: Options) => Socket): Socket => {
    try {
      // The path of a unix socket would bypass the checks.
      return open({ ...options, path: undefined, ...guard(options) })
    } catch (error) {
      return new Socket().destroy(toError(error))
    }
  }

  return {
    async allow(targets) {
      for (const target of targets) {
        const host = canonicalHost(target.host)
        if (host === undefined) continue
        guard(target)
        if (isIP(host)) continue
        await resolveChecked(target, host).catch((error) => {
          if (error.code === 'BLOCKED_ADDRESS') throw error
        })
      }
    },
    connect: (options) => dial(options, connect),
    connectTls: (options) => dial(options, connectTls),
    agent: (protocol, options = {}) => createAgent(protocol, guard, options),
  }
}

/** Uses the resolver of the operating system, which also reads the hosts file. */
const resolveBySystem: Resolve = (name) =>
  new Promise((resolve, reject) => {
    dns.lookup(name, { all: true }, (error, found) => (error ? reject(error) : resolve(found)))
  })

const notFound = (host: string) =>
  Object.assign(new Error(`${host} has no address.`), { code: 'ENOTFOUND', hostname: host })
