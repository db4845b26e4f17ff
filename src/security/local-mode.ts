import { BlockList, isIP } from 'node:net'
import type { Config } from '../config.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether a host name or address literal, with or without brackets, always means this machine: 127.0.0.0/8, ::1, `localhost`
 * and names below it (RFC 6761 §6.3). Nothing is looked up.
 */
export function isLoopbackName(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  const family = isIP(name)
  if (family !== 0) return loopback.check(name, family === 4 ? 'ipv4' : 'ipv6')
  return name === 'localhost' || name.endsWith('.localhost')
}

/**
 * Whether only people of this machine can reach the server: it listens on a loopback address, PUBLIC_URL names no other host,
 * and this process has both roles. In local mode storages may lie on this machine and in private networks, and the server's
 * own cloud identity may be used. In every other mode both must be listed in settings.
 */
export function isLocalMode(config: Pick<Config, 'HOST' | 'PUBLIC_URL' | 'SLUICE_ROLES'>): boolean {
  const { HOST, PUBLIC_URL, SLUICE_ROLES } = config
  const hasBothRoles = SLUICE_ROLES.includes('api') && SLUICE_ROLES.includes('worker')
  return hasBothRoles && isLoopbackName(HOST) && (!PUBLIC_URL || isLoopbackName(new URL(PUBLIC_URL).hostname))
}
