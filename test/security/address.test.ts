import { describe, expect, it } from 'vitest'
import { kindOfAddress } from '../../src/security/address.ts'
import { canonicalHost } from '../../src/security/host.ts'
import { contains, readNetwork, unmapped } from '../../src/security/network.ts'
import { closedForms, publicForms } from './address-forms.ts'

describe('the classification of addresses', () => {
  it.each(closedForms.filter(({ isName }) => !isName))(
    'blocks $text by default; always: $always',
    ({ text, always }) => {
      expect(kindOfAddress(canonicalHost(text)!)).toBe(always ? 'CLOSED' : 'INTERNAL')
    },
  )

  it.each(publicForms)('allows %s as public', (text) => {
    expect(kindOfAddress(canonicalHost(text)!)).toBe('PUBLIC')
  })

  it.each(['', 'example.com', '1.2.3', '::g'])('blocks text that is no address: "%s"', (text) => {
    expect(kindOfAddress(text)).toBe('CLOSED')
  })
})

describe('the canonical form of a host', () => {
  it.each([
    ['EXAMPLE.com.', 'example.com'],
    ['[::1]', '::1'],
    ['::FFFF:127.0.0.1', '::ffff:7f00:1'],
    ['ｅｘａｍｐｌｅ.com', 'example.com'],
    ['0x7f.1', '127.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['a_b.example', 'a_b.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
  ])('of %s is %s', (host, canonical) => expect(canonicalHost(host)).toBe(canonical))

  it.each([
    '',
    '256.1.1.1',
    '1.2.3.4.5',
    '08.1.1.1',
    'a b',
    'a/b',
    'a@b',
    'a:80',
    'a?b',
    'a#b',
    '[::1',
    '::g',
    '.',
    'a\\b',
    'a\tb',
    '127.0.0.1:80',
    'a%2fb',
    'a%00b',
  ])('does not exist for "%s"', (host) => expect(canonicalHost(host)).toBeUndefined())
})

describe('a network', () => {
  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['192.168.4.0/22', '192.168.7.255', true],
    ['192.168.4.0/22', '192.168.8.0', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['::/0', '2001:db8::1', true],
    ['::/0', '8.8.8.8', false],
    ['fe80::/10', 'febf::1', true],
    ['fe80::/10', 'fec0::1', false],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['127.0.0.1', '127.0.0.1', true],
  ])('%s contains %s: %s', (network, address, expected) => {
    expect(contains(unmapped(readNetwork(network)!), readNetwork(address)!.bytes)).toBe(expected)
  })

  it.each(['10.0.0.0/33', '10.0.0/8', '::/129', 'a/8', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1', ''])(
    'is not "%s"',
    (text) => {
      expect(readNetwork(text)).toBeUndefined()
    },
  )
})
