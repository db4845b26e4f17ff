import { isIP } from 'node:net'

/**
 * The canonical form of a host name or address. Names are in lower case and ASCII (IDNA), without a trailing dot, brackets or
 * zone. IPv4 addresses have four decimal parts, however they were written (URL standard, "host parsing": hexadecimal, octal,
 * short, percent-encoded, full-width). Undefined if the text is not a host.
 */
export function canonicalHost(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/s, '$1')
  // These characters end a host in a URL, or the parser drops them. URLs do not allow the zone of an address (RFC 4007 §11).
  if (bare === '' || /[\s/?#@\\[\]\p{Cc}]/u.test(bare)) return undefined
  const address = bare.replace(/%.*$/, '')
  const isIPv6 = isIP(address) === 6
  if (!isIPv6 && bare.includes(':')) return undefined
  const url = `http://${isIPv6 ? `[${address}]` : bare}/`
  return (
    URL.parse(url)
      ?.hostname.replace(/^\[|\]$/g, '')
      .replace(/\.$/, '') || undefined
  )
}
