import { isIP } from 'node:net'

/**
 * The one spelling of a host name or address, in which two that mean the same are equal: lower case, in ASCII (IDNA), without a
 * trailing dot, brackets or zone; an IPv4 address in four decimal parts, whatever form it was written in (URL standard, "host
 * parsing": hexadecimal, octal, short, percent-encoded, full-width). Undefined for text that is no host.
 */
export function canonicalHost(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/s, '$1')
  // Characters that end a host in a URL, or that the parser drops. A zone (RFC 4007 §11) is no part of an address in a URL.
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
