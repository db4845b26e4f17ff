import { isIP } from 'node:net'
import type { Config } from '../config.ts'
import { formsOf } from './address.ts'
import { canonicalHost } from './host.ts'
import { contains, readNetwork } from './network.ts'

const loopback = [readNetwork('127.0.0.0/8')!, readNetwork('::1')!]

/**
 * True if a host name or address literal, with or without brackets, always means this machine: 127.0.0.0/8, ::1, `localhost`
 * and its subdomains (RFC 6761 §6.3). It sends no DNS query.
 */
export function isLoopbackName(host: string): boolean {
  const name = canonicalHost(host) ?? ''
  if (isIP(name)) return formsOf(name).some((bytes) => loopback.some((network) => contains(network, bytes)))
  return name === 'localhost' || name.endsWith('.localhost')
}

/**
 * True if only programs on this machine can reach the server: it listens on a loopback address, PUBLIC_URL and LINKS_URL name
 * no other host, and this process has both roles. In local mode, storages may be on this machine and in private networks, and
 * may use the server's own cloud identity. In other modes, settings must list both.
 */
export function isLocalMode(
  config: Pick<Config, 'HOST' | 'PUBLIC_URL' | 'SLUICE_ROLES'> & { LINKS_URL?: string | undefined },
): boolean {
  const { HOST, PUBLIC_URL, LINKS_URL, SLUICE_ROLES } = config
  const hasBothRoles = SLUICE_ROLES.includes('api') && SLUICE_ROLES.includes('worker')
  return (
    hasBothRoles &&
    isLoopbackName(HOST) &&
    [PUBLIC_URL, LINKS_URL].every((url) => !url || isLoopbackName(new URL(url).hostname))
  )
}
