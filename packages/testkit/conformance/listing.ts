import assert from 'node:assert/strict'
import type { ListPage } from '../../../src/providers/provider.ts'
import { losesBehindMarker, losesKeys, noByteOrder } from './meanings.ts'
import { bodies, type CheckGroup, pages, sorted } from './world.ts'

// Bytes, UTF-16 units, locales and folders before files would each sort them otherwise.
const unlikeOrders = ['B', 'a', 'á', 'Z', '_', 'ａ', '🙂', 'd-b', 'd/b', 'd0', 'a b', 'a.b', '\ue000', '𝒳/y', 'A/ß']

// Each key, what is a little more and a little less than it, and what lies between, before and behind all.
const starts = [
  ...unlikeOrders.flatMap((key) => [key, `${key}!`, Array.from(key).slice(0, -1).join('')]),
  ...['!', '/', 'd/', 'd/zzz', 'd/\u{10ffff}', '\ud7ff', '\uffff', '\u{10fffe}'],
].filter((from) => from !== '')

const isAfter = (key: string, from: string) => Buffer.compare(Buffer.from(key), Buffer.from(from)) > 0

/** Promises of `Provider.list`. */
export const listing: CheckGroup = {
  title: 'listing',
  checks: [
    {
      name: 'an empty place has one empty page',
      async run({ start }) {
        const provider = await (await start()).open()
        assert.deepEqual(await pages(provider), [{ objects: [], cursor: null }])
      },
    },
    {
      name: 'every key comes exactly once over many pages, none longer than the limit',
      meaning: losesKeys,
      async run({ start, listed }) {
        const names = Array.from({ length: 25 }, (_, n) => `${n % 3 ? 'deep/er/' : ''}${n}.txt`)
        const { base, open } = await start(bodies(...names))
        const provider = await open()
        for (const limit of [1, 7, 25, 1000]) {
          assert.deepEqual(await listed(provider, base, { limit }), sorted(names))
          assert.ok((await pages(provider, { limit })).every((page) => page.objects.length <= limit))
        }
      },
    },
    {
      name: 'a cursor goes on in a provider that was opened later',
      meaning: losesKeys,
      async run({ start }) {
        const names = ['a', 'b/c', 'b/d/e', 'b/f', 'b0', 'g']
        const { base, open } = await start(bodies(...names))
        const keys: string[] = []
        let cursor: string | null = null
        do {
          const provider = await open()
          const page: ListPage = await provider.list({ cursor, limit: 1, recursive: true })
          keys.push(...page.objects.map((object) => object.key.slice(base.length)))
          cursor = page.cursor
        } while (cursor !== null)
        assert.deepEqual(sorted(keys), sorted(names))
      },
    },
    {
      name: 'no key is lost between pages where bytes, UTF-16 units and locales sort differently',
      meaning: losesKeys,
      async run({ start, listed }) {
        const { base, open } = await start(bodies(...unlikeOrders))
        assert.deepEqual(sorted(await listed(await open(), base, { limit: 1 })), sorted(unlikeOrders))
        assert.deepEqual(
          sorted(await listed(await open(), base, { limit: 1, recursive: false })),
          sorted(unlikeOrders.filter((key) => !key.includes('/'))),
        )
      },
    },
    {
      name: 'keys come in the order of their UTF-8 bytes',
      meaning: noByteOrder,
      needs: ({ keyOrder }) => keyOrder === 'bytes',
      async run({ start, listed }) {
        const { base, open } = await start(bodies(...unlikeOrders))
        for (const limit of [2, 1000]) {
          assert.deepEqual(await listed(await open(), base, { limit }), sorted(unlikeOrders))
        }
      },
    },
    {
      name: 'a provider says so when it lists in order, and when it starts after any string',
      async run({ abilities, start }) {
        const { ordered, keyCursor } = await (await start()).open()
        assert.equal(ordered ?? false, abilities.keyOrder === 'bytes')
        assert.equal(keyCursor ?? false, abilities.keyCursor)
      },
    },
    {
      name: 'a listing starts after any string, known or not, in the order of bytes',
      meaning: noByteOrder,
      needs: ({ keyCursor }) => keyCursor,
      async run({ start, listed }) {
        const { base, open, at } = await start(bodies(...unlikeOrders))
        const provider = await open()
        for (const from of starts) {
          const cursor = at(from)
          const names = sorted(unlikeOrders).filter((name) => isAfter(name, from))
          assert.deepEqual(await listed(provider, base, { cursor }), names, `after ${from}`)
          assert.deepEqual(
            await listed(provider, base, { cursor, recursive: false }),
            names.filter((name) => !name.includes('/')),
            `one level, after ${from}`,
          )
        }
      },
    },
    {
      name: 'the cursor of a page lies between its keys and those of the next',
      meaning: noByteOrder,
      needs: ({ keyCursor }) => keyCursor,
      async run({ start }) {
        const { open } = await start(bodies(...unlikeOrders))
        for (const recursive of [true, false]) {
          const found = await pages(await open(), { limit: 2, recursive })
          const between = found.flatMap(({ objects, cursor }) => [
            ...objects.map(({ key }) => key),
            ...(cursor === null || cursor === objects.at(-1)?.key ? [] : [cursor]),
          ])
          assert.deepEqual(between, sorted(between))
          assert.ok(found.length > 3 && !between.some((cursor) => cursor.includes('\0')))
        }
      },
    },
    {
      name: 'several ranges that are listed at once are the whole',
      meaning: noByteOrder,
      needs: ({ keyCursor }) => keyCursor,
      async run({ start, listed }) {
        const { base, open, at } = await start(bodies(...unlikeOrders))
        const provider = await open()
        const bounds = ['A', '_', 'd/', '\uffff'].map(at)
        const ranges = [null, ...bounds].map(async (cursor, n) => {
          const names = await listed(provider, base, { cursor, limit: 1 })
          return names.filter((name) => n === bounds.length || !isAfter(at(name), bounds[n]!))
        })
        assert.deepEqual((await Promise.all(ranges)).flat(), sorted(unlikeOrders))
      },
    },
    {
      name: 'a prefix is taken literally',
      needs: ({ prefix }) => prefix === 'literal',
      async run({ start, listed }) {
        const { base, open } = await start(bodies('photos/a.jpg', 'photos2.jpg', 'Photos/b.jpg', 'my/photos/c.jpg'))
        assert.deepEqual(await listed(await open('photos'), base), ['photos/a.jpg', 'photos2.jpg'])
        assert.deepEqual(await listed(await open('photos/'), base), ['photos/a.jpg'])
      },
    },
    {
      name: 'only what is inside the folder is listed',
      needs: ({ prefix }) => prefix === 'folder',
      async run({ start, listed }) {
        const { base, open } = await start(bodies('photos/a.jpg', 'photos2.jpg', 'Photos/b.jpg', 'my/photos/c.jpg'))
        assert.deepEqual(await listed(await open('photos'), base), ['photos/a.jpg'])
      },
    },
    {
      name: 'without recursion one level under the prefix is listed, over pages that hold only folders too',
      meaning: losesKeys,
      async run({ start, listed }) {
        const folders = Array.from({ length: 5 }, (_, n) => `photos/dir${n}/x.jpg`)
        const { base, open } = await start(bodies('photos/a.jpg', 'photos/z.jpg', 'photos2.jpg', 'b.jpg', ...folders))
        for (const limit of [1, 2, 1000]) {
          const names = await listed(await open('photos'), base, { limit, recursive: false })
          assert.deepEqual(names, ['photos/a.jpg', 'photos/z.jpg'])
        }
      },
    },
    {
      name: 'folder markers are listed',
      meaning: losesBehindMarker,
      needs: ({ folderMarkers }) => folderMarkers,
      async run({ start, listed }) {
        const { base, open } = await start({ 'photos/': '', 'photos/a.jpg': 'a' })
        const names = ['photos/', 'photos/a.jpg']
        assert.deepEqual(await listed(await open('photos/'), base, { limit: 1 }), names)
        assert.deepEqual(await listed(await open('photos/'), base, { recursive: false }), names)
      },
    },
    {
      name: 'size, etag and time are those that reading gives',
      async run({ abilities, start }) {
        const before = Date.now()
        const { open, at } = await start({ 'a.txt': 'äöü', empty: '' })
        const provider = await open()
        const { objects } = (await pages(provider))[0]!
        const sizes = Object.fromEntries(objects.map((object) => [object.key, object.size]))
        assert.deepEqual(sizes, { [at('a.txt')]: 6, [at('empty')]: 0 })
        for (const { key, size, etag, lastModified } of objects) {
          const read = await provider.read(key)
          read.body.destroy()
          assert.deepEqual([read.size, read.etag], [size, etag])
          if (abilities.versions === false) {
            assert.deepEqual([etag, lastModified, read.lastModified], [null, null, null])
            continue
          }
          assert.equal(typeof etag, 'string')
          // Headers carry whole seconds.
          assert.ok(Math.abs(read.lastModified!.getTime() - lastModified!.getTime()) < 1000)
          assert.ok(Math.abs(lastModified!.getTime() - before) < 60_000)
        }
      },
    },
  ],
}
