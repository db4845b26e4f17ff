import { bytesOfAddress, contains, type Network, readNetwork } from './network.ts'

/**
 * PUBLIC: an address of the internet. INTERNAL: an address of this machine or its site. CLOSED: an address that no client may
 * connect to: metadata services of clouds, link-local, multicast, unspecified, broadcast and reserved addresses.
 */
type AddressKind = 'PUBLIC' | 'INTERNAL' | 'CLOSED'

const networks = (...texts: string[]) => texts.map((text) => readNetwork(text)!)

// IANA, "IPv4 Special-Purpose Address Registry" and "IPv6 Special-Purpose Address Registry" (RFC 6890), except for the networks
// for documentation, which count as public. The single addresses are metadata services outside of the link-local networks.
const closed = networks(
  '0.0.0.0/8',
  // Alibaba Cloud, Azure ("What is IP address 168.63.129.16?"), Oracle Cloud.
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // AWS (IMDS, pod identity, DNS), Google Cloud, Oracle Cloud, Scaleway.
  'fd00:ec2::/32',
  'fd20:ce::254',
  'fd00:c1::a9fe:a9fe',
  'fd00:42::42',
)

const internal = networks(
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  // Shared by carriers (RFC 6598).
  '100.64.0.0/10',
  // Benchmarks (RFC 2544).
  '198.18.0.0/15',
  '::1',
  'fc00::/7',
  // Site-local (RFC 3879).
  'fec0::/10',
  // NAT64 of a site (RFC 8215).
  '64:ff9b:1::/48',
  // Benchmarks (RFC 5180).
  '2001:2::/48',
)

// The network that IANA allocates for global unicast (RFC 4291 §2.4). Other networks are reserved.
const globalUnicast = readNetwork('2000::/3')!

// IPv4-compatible and IPv4-mapped (RFC 4291 §2.5.5), IPv4-translated (RFC 2765 §2.1), NAT64 (RFC 6052 §2.1).
const translated = networks('::/96', '::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96')
const siteNat64 = readNetwork('64:ff9b:1::/48')!
const sixToFour = readNetwork('2002::/16')!
const teredo = readNetwork('2001::/32')!
const loopback = readNetwork('::1')!

/** The IPv4 addresses embedded in an IPv6 address. A gateway may forward packets to one of them. */
function embeddedIn(bytes: readonly number[]): (readonly number[])[] {
  if (bytes.length === 4 || contains(loopback, bytes)) return []
  if (translated.some((network) => contains(network, bytes))) return [bytes.slice(12)]
  // RFC 3056 §2.
  if (contains(sixToFour, bytes)) return [bytes.slice(2, 6)]
  // Server and client (RFC 4380 §4).
  if (contains(teredo, bytes)) return [bytes.slice(4, 8), bytes.slice(12).map((byte) => byte ^ 255)]
  if (contains(siteNat64, bytes)) {
    // A site chooses a prefix of 48, 56, 64 or 96 bits (RFC 6052 §2.2). Unused bits are zero.
    const at = [
      [6, 7, 9, 10],
      [7, 9, 10, 11],
      [9, 10, 11, 12],
      [12, 13, 14, 15],
    ]
    return at.map((places) => places.map((n) => bytes[n]!)).filter(([first]) => first !== 0)
  }
  // ISATAP (RFC 5214 §6.1), below any prefix.
  const isIsatap = (bytes[8]! & ~2) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe
  return isIsatap ? [bytes.slice(12)] : []
}

/** The address and the IPv4 addresses embedded in it, as bytes. Empty if the text is not an address. */
export function formsOf(address: string): (readonly number[])[] {
  const bytes = bytesOfAddress(address)
  return bytes ? [bytes, ...embeddedIn(bytes)] : []
}

/** The kind of an address: the strictest of its forms. CLOSED if the text is not an address. */
export function kindOfAddress(address: string): AddressKind {
  const kinds = formsOf(address).map(kindOfForm)
  if (kinds.length === 0 || kinds.includes('CLOSED')) return 'CLOSED'
  return kinds.includes('INTERNAL') ? 'INTERNAL' : 'PUBLIC'
}

function kindOfForm(bytes: readonly number[]): AddressKind {
  const isIn = (list: readonly Network[]) => list.some((network) => contains(network, bytes))
  if (isIn(closed)) return 'CLOSED'
  if (isIn(internal)) return 'INTERNAL'
  // The kind of a translated address is that of its embedded IPv4 address.
  return bytes.length === 4 || isIn(translated) || contains(globalUnicast, bytes) ? 'PUBLIC' : 'CLOSED'
}
