import { isIP } from 'node:net'

/** An address or network: 4 (IPv4) or 16 (IPv6) bytes in network order, and the length of the prefix in bits. */
export interface Network {
  bytes: readonly number[]
  bits: number
}

/** The bytes of an IP address, without its zone (RFC 4007 §11). Undefined for other text. */
export function bytesOfAddress(text: string): number[] | undefined {
  const address = text.replace(/%.*$/s, '')
  const family = isIP(address)
  if (family === 4) return address.split('.').map(Number)
  return family === 6 ? bytesOfIPv6(address) : undefined
}

/** RFC 4291 §2.2; `address` is known to be valid. */
function bytesOfIPv6(address: string): number[] {
  const dotted = /[^:]*\.[^:]*$/.exec(address)?.[0]
  const [a = 0, b = 0, c = 0, d = 0] = dotted ? dotted.split('.').map(Number) : []
  const groups = dotted
    ? address.slice(0, -dotted.length) + [(a << 8) | b, (c << 8) | d].map((group) => group.toString(16)).join(':')
    : address
  const [head = '', tail] = groups.split('::')
  const split = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [before, after] = [split(head), split(tail ?? '')]
  const zeros = Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255])
}

/** Parses a network such as `169.254.0.0/16`, or an address as a network with one address. Undefined for other text. */
export function readNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...more] = text.split('/')
  const bytes = bytesOfAddress(address)
  if (!bytes || more.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined
  const bits = prefix === undefined ? bytes.length * 8 : Number(prefix)
  return bits > bytes.length * 8 ? undefined : { bytes, bits }
}

const mapped: Network = { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0], bits: 96 }

/** Converts a network in ::ffff:0:0/96 (IPv4-mapped, RFC 4291 §2.5.5.2) to its IPv4 network. Other networks are unchanged. */
export function unmapped(network: Network): Network {
  return network.bits >= 96 && contains(mapped, network.bytes)
    ? { bytes: network.bytes.slice(12), bits: network.bits - 96 }
    : network
}

/** True if the network contains the address, given as bytes. */
export function contains({ bytes, bits }: Network, address: readonly number[]): boolean {
  if (bytes.length !== address.length) return false
  const whole = bits >> 3
  for (let n = 0; n < whole; n++) if (bytes[n] !== address[n]) return false
  const rest = bits & 7
  return rest === 0 || (bytes[whole]! ^ address[whole]!) >> (8 - rest) === 0
}
