import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { formatUri, parseUri } from '../../../src/providers/uri.ts'
import { type Abilities, type CheckGroup, eachOf, pages, sorted } from './world.ts'

const piece = fc.oneof(
  fc.constantFrom(...'+%#?&=;:,@!$*|~^`<>[]{}()\\"\' ./-_aZ0'),
  fc.constantFrom('%2F', '%2B', '%00', '%%', '%zz', '&amp;', '..', '...', '  ', '://', '//', '/./', '/../'),
  fc.constantFrom(
    'é',
    'e\u0301',
    'ß',
    'İ',
    'ａ',
    '🙂',
    '👩‍👩‍👧',
    '日本',
    '\u202e',
    '\u00a0',
    '\u2028',
    '\ufeff',
    '\ue000',
    '𝒳',
  ),
  fc.constantFrom('\t', '\n', '\r', '\u0001', '\u001f', '\u007f', '\u0085'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
)
const key = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.array(piece, { minLength: 60, maxLength: 200 }).map((pieces) => pieces.join('')),
)

// Room for a base before the limit of 1,024 bytes that clouds share; PostgreSQL, which keeps the links, has no U+0000.
const fits = (name: string) => Buffer.byteLength(name) <= 900 && name.isWellFormed() && !name.includes('\0')

/** The same `count` keys in every run. None is the folder of another, which a disk could not hold. */
export function generateKeys(count: number, { holds = () => true }: Pick<Abilities, 'holds'> = {}): string[] {
  const names = new Set<string>()
  const folders = new Set<string>()
  for (let seed = 1; names.size < count && seed < 100; seed++) {
    for (const name of fc.sample(key, { numRuns: count, seed })) {
      const parents = [...name.matchAll(/\//g)].map(({ index }) => name.slice(0, index))
      const clashes = folders.has(name) || folders.has(name.replace(/\/+$/, '')) || parents.some((p) => names.has(p))
      if (names.size >= count || clashes || !fits(name) || !holds(name)) continue
      names.add(name)
      for (const parent of parents) folders.add(parent)
    }
  }
  assert.equal(names.size, count, 'enough keys were made')
  return [...names]
}

const hasDotSegment = (name: string) => /(^|\/)\.{1,2}(\/|$)/.test(name)

/** What holds for keys that were thought of holds for those that were not. */
export const generatedKeys: CheckGroup = {
  title: '500 generated keys',
  checks: [
    {
      name: 'each is listed, becomes a URI, and is read, linked to and removed by what the URI says',
      slow: true,
      async run({ abilities, start, listed }) {
        const names = generateKeys(500, abilities)
        const { base, open, put, at } = await start()
        const provider = await open()
        let n = 0
        await eachOf(names, (name) =>
          n++ % 2 ? put(at(name), `body of ${name}`) : provider.write(at(name), Buffer.from(`body of ${name}`)),
        )
        const found = await listed(provider, base, { limit: 90 })
        assert.deepEqual(found, sorted(names))
        await eachOf(found, async (name) => {
          const uri = formatUri({ scheme: 's3', bucket: 'bucket', key: at(name) })
          const { key } = parseUri(uri)!
          assert.equal(await text((await provider.read(key)).body), `body of ${name}`)
          const isSign = provider.presign && n++ % 5 === 0
          if (!isSign || ('a dot segment' in abilities.cannotPresign && hasDotSegment(name))) return
          const answer = await fetch(await provider.presign!(key, { ttlSeconds: 60 }))
          assert.equal(await answer.text(), `body of ${name}`)
        })
        await eachOf(found, (name) => provider.remove(at(name)))
        assert.deepEqual(await pages(provider), [{ objects: [], cursor: null }])
      },
    },
  ],
}
