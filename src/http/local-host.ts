import type { IncomingMessage } from 'node:http'
import { isLoopbackName } from '../security/local-mode.ts'

/** What the refusal of a request says (RFC 9110 §15.5.20, 421 Misdirected Request). */
export const misdirected = {
  code: 'MISDIRECTED_REQUEST',
  message:
    'This server is in local mode: it answers only under a loopback name such as localhost. To serve it under another name, set PUBLIC_URL to its URL.',
}

/**
 * Whether a request names this machine alone. A request that names another host came through a proxy, or from a web page whose
 * name was pointed at this machine (DNS rebinding). Without one Host header, nobody can tell.
 */
export function isForThisMachine({ url = '', rawHeaders }: Pick<IncomingMessage, 'url' | 'rawHeaders'>): boolean {
  const hosts: string[] = []
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts.push(rawHeaders[n + 1]!)
    if (name.length === 16 && name.toLowerCase() === 'x-forwarded-host' && !isLoopbackHost(rawHeaders[n + 1]!)) {
      return false
    }
  }
  if (hosts.length !== 1 || !isLoopbackHost(hosts[0]!)) return false
  // The absolute form of a target overrides the header (RFC 9112 §3.2.2).
  if (url.startsWith('/')) return true
  const target = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
  return target === undefined || isLoopbackHost(target)
}

/** Hosts that were found to be loopback names: nearly all requests name one of a few, and to read a name takes time. */
const known = new Set<string>()
const mostKnown = 64

/** `host` or `host:port` (RFC 9110 §7.2). */
function isLoopbackHost(text: string): boolean {
  if (known.has(text)) return true
  const host = /^(\[[\da-f:.]+\]|[^:\s@,[\]]+)(?::\d{0,5})?$/i.exec(text)?.[1]
  const isLoopback = host !== undefined && isLoopbackName(host)
  if (isLoopback && known.size < mostKnown) known.add(text)
  return isLoopback
}
