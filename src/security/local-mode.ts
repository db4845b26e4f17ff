import { isIP } from 'node:net'
import type { Config } from '../config.ts'
import { formsOf } from './address.ts'
import { canonicalHost } from './host.ts'
import { contains, readNetwork } from './network.ts'

const loopback = [readNetwork('127.0.0.0/8')!, readNetwork('::1')!]

/**
 * Whether a host name or address literal, with or without brackets, always means this machine: 127.0.0.0/8, ::1, `localhost`
 * and names below it (RFC 6761 §6.3). Nothing is looked up.
 */
export function isLoopbackName(host: string): boolean {
  const name = canonicalHost(host) ?? ''
  if (isIP(name)) return formsOf(name).some((bytes) => loopback.some((network) => contains(network, bytes)))
  return name === 'localhost' || name.endsWith('.localhost')
}

/**
 * Whether only people of this machine can reach the server: it listens on a loopback address, PUBLIC_URL and LINKS_URL name no other host,
 * and this process has both roles. In local mode storages may lie on this machine and in private networks, and the server's
 * own cloud identity may be used. In every other mode both must be listed in settings.
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
