import assert from 'node:assert/strict'
import type { ListPage } from '../../../src/providers/provider.ts'
import { bodies, type CheckGroup, pages, sorted } from './world.ts'

// Bytes, UTF-16 units, locales and folders before files would each sort them otherwise.
const unlikeOrders = ['B', 'a', 'á', 'Z', '_', 'ａ', '🙂', 'd-b', 'd/b', 'd0', 'a b', 'a.b', '\ue000', '𝒳/y', 'A/ß']

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
      needs: ({ keyOrder }) => keyOrder === 'bytes',
      async run({ start, listed }) {
        const { base, open } = await start(bodies(...unlikeOrders))
        assert.deepEqual(await listed(await open(), base), sorted(unlikeOrders))
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
