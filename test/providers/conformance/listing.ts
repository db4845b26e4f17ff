import { describe, expect, test } from 'vitest'
import type { ListPage } from '../../../src/providers/provider.ts'
import { type Abilities, bodies, pages, sorted, type World } from './world.ts'

/** Promises of `Provider.list`. */
export function describeListing(name: string, abilities: Abilities, { start, listed }: World): void {
  describe(`${name}: listing`, () => {
    test('an empty place has one empty page', async () => {
      const provider = await (await start()).open()
      expect(await pages(provider)).toEqual([{ objects: [], cursor: null }])
    })

    test('every key comes exactly once over many pages, none longer than the limit', async () => {
      const names = Array.from({ length: 25 }, (_, n) => `${n % 3 ? 'deep/er/' : ''}${n}.txt`)
      const { base, open } = await start(bodies(...names))
      const provider = await open()
      for (const limit of [1, 7, 25, 1000]) {
        expect(await listed(provider, base, { limit })).toEqual(sorted(names))
        expect((await pages(provider, { limit })).every((page) => page.objects.length <= limit)).toBe(true)
      }
    })

    test('a cursor goes on in a provider that was opened later', async () => {
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
      expect(sorted(keys)).toEqual(sorted(names))
    })

    test('no key is lost between pages where bytes, UTF-16 units and locales sort differently', async () => {
      const names = ['B', 'a', 'á', 'Z', '_', 'ａ', '🙂', 'd-b', 'd/b', 'd0', 'a b', 'a.b', '\ue000', '𝒳/y', 'A/ß']
      const { base, open } = await start(bodies(...names))
      expect(await listed(await open(), base, { limit: 1 })).toEqual(sorted(names))
      expect(await listed(await open(), base, { limit: 1, recursive: false })).toEqual(
        sorted(names.filter((key) => !key.includes('/'))),
      )
    })

    test.runIf(abilities.prefix === 'literal')('a prefix is taken literally', async () => {
      const { base, open } = await start(bodies('photos/a.jpg', 'photos2.jpg', 'Photos/b.jpg', 'my/photos/c.jpg'))
      expect(await listed(await open('photos'), base)).toEqual(['photos/a.jpg', 'photos2.jpg'])
      expect(await listed(await open('photos/'), base)).toEqual(['photos/a.jpg'])
    })

    test.runIf(abilities.prefix === 'folder')('only what is inside the folder is listed', async () => {
      const { base, open } = await start(bodies('photos/a.jpg', 'photos2.jpg', 'Photos/b.jpg', 'my/photos/c.jpg'))
      expect(await listed(await open('photos'), base)).toEqual(['photos/a.jpg'])
    })

    test('without recursion one level under the prefix is listed, over pages that hold only folders too', async () => {
      const folders = Array.from({ length: 5 }, (_, n) => `photos/dir${n}/x.jpg`)
      const { base, open } = await start(bodies('photos/a.jpg', 'photos/z.jpg', 'photos2.jpg', 'b.jpg', ...folders))
      for (const limit of [1, 2, 1000]) {
        const names = await listed(await open('photos'), base, { limit, recursive: false })
        expect(names).toEqual(['photos/a.jpg', 'photos/z.jpg'])
      }
    })

    test.runIf(abilities.folderMarkers)('folder markers are listed', async () => {
      const { base, open } = await start({ 'photos/': '', 'photos/a.jpg': 'a' })
      expect(await listed(await open('photos/'), base, { limit: 1 })).toEqual(['photos/', 'photos/a.jpg'])
      expect(await listed(await open('photos/'), base, { recursive: false })).toEqual(['photos/', 'photos/a.jpg'])
    })

    test('size, etag and time are those that reading gives', async () => {
      const before = Date.now()
      const { open } = await start({ 'a.txt': 'äöü', empty: '' })
      const provider = await open()
      const [page] = await pages(provider)
      expect(page!.objects.map((object) => object.size)).toEqual([6, 0])
      for (const { key, size, etag, lastModified } of page!.objects) {
        const read = await provider.read(key)
        read.body.destroy()
        expect(read).toMatchObject({ size, etag })
        expect(etag).toEqual(expect.any(String))
        // Headers carry whole seconds.
        expect(Math.abs(read.lastModified!.getTime() - lastModified!.getTime())).toBeLessThan(1000)
        expect(Math.abs(lastModified!.getTime() - before)).toBeLessThan(60_000)
      }
    })
  })
}
