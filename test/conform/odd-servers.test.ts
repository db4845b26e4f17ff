import { type Oddity, startOddS3 } from '@sluice/testkit/odd-s3.ts'
import { describe, expect, onTestFinished, test } from 'vitest'
import { graded } from './graded.ts'

describe('npm run conform', () => {
  /** What the command says of a server with an oddity: the checks that fail, and all that it writes. */
  const odd = async (oddity: Oddity, only: string[]) => {
    const server = await startOddS3(oddity)
    onTestFinished(() => server.stop())
    const argv = only.flatMap((text) => ['--only', text])
    return graded({ endpoint: server.endpoint, bucket: 'odd-bucket' }, argv)
  }
  const suspicious = ['listing', 'two keys that differ', 'a write carries a checksum']

  test('reports for a correct server that listings, keys and checksums work, and nothing about syncs', async () => {
    const { failing, text } = await odd({}, suspicious)
    expect(failing).toEqual([])
    expect(text).not.toContain('What that means for a sync')
  })

  test.for<{ what: string; oddity: Oddity; check: string; says: RegExp; reason?: string }>([
    {
      what: 'lists in the order of a language, not of bytes',
      oddity: { compare: (a, b) => a.localeCompare(b) || (a < b ? -1 : 1) },
      check: 'keys come in the order of their UTF-8 bytes',
      says: /does not list keys in the order of their bytes.*NEW_ONLY is not reliable/,
    },
    {
      what: 'loses the keys behind a folder marker with max-keys=1',
      oddity: { endsAtMarker: true },
      check: 'folder markers are listed',
      says: /loses keys behind the marker of a folder.*counts as missing/,
    },
    {
      what: 'stores /x as x',
      oddity: { normalize: (key) => key.replace(/\/{2,}/g, '/') },
      check: 'two keys that differ in a leading slash are two objects',
      reason: '"/x" was stored, but is not listed',
      says: /stores a key as another one.*the later object replaces the earlier/,
    },
    {
      what: 'stores ./x as x',
      oddity: { normalize: (key) => key.replace(/(^|\/)\.\//g, '$1') },
      check: 'two keys that differ in a leading "./" are two objects',
      reason: '"./x" was stored, but is not listed',
      says: /stores a key as another one/,
    },
    {
      what: 'stores decomposed letters composed (NFC)',
      oddity: { normalize: (key) => key.normalize('NFC') },
      check: 'two keys that differ in composed or decomposed letters (NFC, NFD) are two objects',
      reason: 'was stored, but is not listed',
      says: /stores a key as another one/,
    },
    {
      what: 'stores composed letters decomposed (NFD)',
      oddity: { normalize: (key) => key.normalize('NFD') },
      check: 'two keys that differ in composed or decomposed letters (NFC, NFD) are two objects',
      reason: 'was stored, but is not listed',
      says: /stores a key as another one/,
    },
    {
      what: 'stores keys in lower case',
      oddity: { normalize: (key) => key.toLowerCase() },
      check: 'two keys that differ in upper and lower case are two objects',
      reason: '"CAFE" was stored, but is not listed',
      says: /stores a key as another one/,
    },
    {
      what: 'ignores Content-MD5',
      oddity: { ignoresMd5: true },
      check: 'a write carries a checksum, as Object Lock demands, and a body that does not match it is refused',
      reason: 'a damaged body is stored',
      says: /does not compare a body with its checksum/,
    },
  ])('reports that a server $what, and what it means for a sync', async ({ oddity, check, says, reason = '' }) => {
    const { code, failing, text } = await odd(oddity, suspicious)
    const line = failing.find((one) => one.includes(check))
    expect(line, failing.join('\n')).toContain(reason)
    const [, meaning = ''] = text.split('What that means for a sync:')
    expect(meaning).toContain(check)
    expect(meaning).toMatch(says)
    expect(code).toBe(1)
  })
})
