/** Text that names an address which is closed by default when strangers can reach the server. */
export interface AddressForm {
  /** As a person can enter it as a host; an IPv6 literal without brackets. */
  text: string
  /** Whether no setting and no mode opens it. */
  always: boolean
  /** Only a resolver finds out what it means: no address in a form that URLs know. */
  isName?: true
}

const always = (...texts: string[]): AddressForm[] => texts.map((text) => ({ text, always: true }))
const internal = (...texts: string[]): AddressForm[] => texts.map((text) => ({ text, always: false }))

/** Forms of closed addresses: networks, and spellings of one address. */
export const closedForms: AddressForm[] = [
  // Metadata services.
  ...always('169.254.169.254', '169.254.170.2', '169.254.170.23', '100.100.100.200', '168.63.129.16', '192.0.0.192'),
  ...always('fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254', 'fd00:c1::a9fe:a9fe', 'fd00:42::42'),
  // One of them in the spellings of inet_aton and of the URL standard.
  ...always('2852039166', '0xa9fea9fe', '0xA9FEA9FE', '025177524776', '0251.0376.0251.0376', '0xa9.0xfe.0xa9.0xfe'),
  ...always('169.254.43518', '169.16689662', '0xa9.254.0251.254', '169.254.169.254.', '169.0376.0xa9fe'),
  ...always(
    '１６９.２５４.１６９.２５４',
    '169。254。169。254',
    '①⑥⑨.②⑤④.①⑥⑨.②⑤④',
    '%31%36%39.254.169.254',
    '0xA9.0xFE.43518',
  ),
  // It inside IPv6.
  ...always('::ffff:169.254.169.254', '::FFFF:A9FE:A9FE', '0:0:0:0:0:ffff:a9fe:a9fe', '::169.254.169.254'),
  ...always('::a9fe:a9fe', '::ffff:0:169.254.169.254', '64:ff9b::169.254.169.254', '64:ff9b::a9fe:a9fe'),
  ...always('2002:a9fe:a9fe::', '2002:a9fe:a9fe::1', '2001:0:a9fe:a9fe::1', '2001:0:808:808::5601:5601'),
  ...always('64:ff9b:1::a9fe:a9fe', '64:ff9b:1:a9fe:a9:fe00::', '2001:db8::5efe:169.254.169.254'),
  ...always('2001:db8::200:5efe:a9fe:a9fe', '64:ff9b::6464:64c8', '::ffff:168.63.129.16', '2002:c000:c0::'),
  // Link-local, multicast, unspecified, broadcast, reserved.
  ...always(
    'fe80::1',
    'fe80::1%eth0',
    'FE80:0:0:0:1:2:3:4',
    'febf::1',
    'ff02::1',
    'ff0e::1',
    '224.0.0.1',
    '239.255.255.250',
  ),
  ...always('0.0.0.0', '0', '0x0', '::', '::0.0.0.0', '0.0.0.1', '0.255.255.255', '255.255.255.255', '4294967295'),
  ...always('240.0.0.1', '192.0.0.170', '100::1', '4000::1', '::ffff:0.0.0.0', '64:ff9b::', '2002::1'),
  // Loopback.
  ...internal('127.0.0.1', '127.1', '127.0.1', '0177.0.0.1', '0x7f.1', '2130706433', '0x7f000001', '017700000001'),
  ...internal('127.255.255.254', '127.0.0.1.', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'),
  ...internal('::127.0.0.1', '64:ff9b::127.0.0.1', '2002:7f00:1::', '１２７.０.０.１', '::1%lo'),
  { text: 'localhost', always: false, isName: true },
  { text: 'LocalHost', always: false, isName: true },
  { text: 'localhost.', always: false, isName: true },
  { text: 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', always: false, isName: true },
  // Private and carrier networks.
  ...internal(
    '10.0.0.1',
    '10.255.255.254',
    '10.1',
    '167772161',
    '012.0.0.1',
    '172.16.0.1',
    '172.31.255.254',
    '192.168.1.1',
  ),
  ...internal('0xc0a80101', '100.64.0.1', '100.127.255.254', '198.18.0.1', 'fc00::1', 'fd12:3456:789a::1', 'fec0::1'),
  ...internal('::ffff:10.0.0.1', '::ffff:a00:1', '64:ff9b::a00:1', '2002:a00:1::1', '64:ff9b:1::a00:1', '::c0a8:101'),
]

/** Addresses that anybody may connect to; those of documentation (RFC 5737, RFC 3849) among them. */
export const publicForms = [
  ...[
    '8.8.8.8',
    '134744072',
    '203.0.113.7',
    '198.51.100.1',
    '192.0.2.1',
    '172.32.0.1',
    '172.15.255.255',
    '100.63.255.255',
  ],
  ...['100.128.0.1', '169.253.255.255', '11.0.0.1', '192.167.0.1', '223.255.255.255', '126.255.255.255', '128.0.0.1'],
  ...['2001:db8::1', '2606:4700::1', '::ffff:8.8.8.8', '64:ff9b::808:808', '2002:808:808::1', '2a00:1450::200e'],
]
