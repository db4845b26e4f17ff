import type { IncomingMessage } from 'node:http'
import { isLoopbackName } from '../security/local-mode.ts'

/** Body of the 421 response (RFC 9110 §15.5.20, Misdirected Request). */
export const wrongHost = {
  code: 'MISDIRECTED_REQUEST',
  message:
    'This server is in local mode: it answers only under a loopback name such as localhost. To serve it under another name, set PUBLIC_URL to its URL.',
}

/**
 * True if the request names only this machine as its host. A request for another host came through a proxy, or from a web page
 * whose domain name points to this machine (DNS rebinding). A request without exactly one Host header is refused, too.
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
  // A request target in absolute form overrides the Host header (RFC 9112 §3.2.2).
  if (url.startsWith('/')) return true
  const target = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
  return target === undefined || isLoopbackHost(target)
}

/** Cache of Host values that are loopback names. Nearly all requests use one of a few values, and parsing takes time. */
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
