import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import type { HostileKey } from './hostile-keys.ts'
import { changesKeys } from './meanings.ts'
import { type Check, pages } from './world.ts'

/** Two keys of which a server that normalizes keys makes one, by what they differ in, and the odd key of which they are an example. */
const keyPairs: { differ: string; like: HostileKey; keys: [string, string] }[] = [
  { differ: 'a leading slash', like: 'a leading slash', keys: ['x', '/x'] },
  { differ: 'a doubled slash', like: 'a doubled slash', keys: ['a/b', 'a//b'] },
  { differ: 'a leading "./"', like: 'a dot segment', keys: ['x', './x'] },
  { differ: 'a segment "."', like: 'a dot segment', keys: ['a/b', 'a/./b'] },
  { differ: 'a segment ".."', like: 'a double dot segment', keys: ['b', 'a/../b'] },
  { differ: 'a backslash for a slash', like: 'a backslash', keys: ['a/b', 'a\\b'] },
  {
    differ: 'composed or decomposed letters (NFC, NFD)',
    like: 'composed letters (NFC)',
    keys: ['caf\u00e9', 'cafe\u0301'],
  },
  { differ: 'full-width letters (NFKC)', like: 'a full-width letter', keys: ['a', '\uff41'] },
  { differ: 'upper and lower case', like: 'upper case', keys: ['CAFE', 'cafe'] },
  { differ: 'a space at the end', like: 'inner and outer spaces', keys: ['a', 'a '] },
  { differ: 'a percent-encoded slash', like: 'an escaped slash', keys: ['a/b', 'a%2Fb'] },
]

/** Whether a server that normalizes keys is found out: each names what it does to which key. */
export const pairChecks: Check[] = keyPairs.map(({ differ, like, keys }) => ({
  name: `two keys that differ in ${differ} are two objects`,
  meaning: changesKeys,
  needs: ({ cannotHold, holds = () => true }) => !(like in cannotHold) && keys.every((key) => holds(key)),
  async run({ start }) {
    const { base, open, put, at } = await start()
    for (const key of keys) await put(at(key), `body of ${key}`)
    const provider = await open()
    const listed = (await pages(provider)).flatMap(({ objects }) => objects.map(({ key }) => key.slice(base.length)))
    const lost = keys.filter((key) => !listed.includes(key))
    const strange = listed.filter((key) => !keys.includes(key))
    const words = [
      ...lost.map((key) => `${JSON.stringify(key)} was stored, but is not listed`),
      ...strange.map((key) => `${JSON.stringify(key)} is listed, but was not stored`),
    ]
    assert.equal(words.join('; '), '')
    for (const key of keys) {
      const body = await text((await provider.read(at(key))).body)
      assert.equal(body, `body of ${key}`, `${JSON.stringify(key)} reads as another object: ${JSON.stringify(body)}`)
    }
  },
}))
