import { buffer, text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { type Abilities, bodies, pages, type World } from './world.ts'

/** Promises of `Provider.check`, `read`, `write` and `remove`. */
export function describeObjects(name: string, abilities: Abilities, { start, listed }: World): void {
  describe(`${name}: reading`, () => {
    test('check passes where listing would', async () => {
      await (await (await start({ a: '' })).open()).check()
    })

    test('a whole object has no range', async () => {
      const { open, at } = await start({ 'a.txt': 'hello' })
      const { body, range, ...about } = await (await open()).read(at('a.txt'))
      expect(await text(body)).toBe('hello')
      expect(range).toBeUndefined()
      expect(about).toMatchObject({ length: 5, size: 5 })
    })

    test('an empty object has an empty body', async () => {
      const { open, at } = await start({ 'a.txt': '' })
      const { body, length, size } = await (await open()).read(at('a.txt'))
      expect([await text(body), length, size]).toEqual(['', 0, 0])
    })

    test.for([
      { asked: { start: 2, end: 4 }, given: { start: 2, end: 4 } },
      { asked: { start: 0, end: 0 }, given: { start: 0, end: 0 } },
      { asked: { start: 7 }, given: { start: 7, end: 9 } },
      { asked: { start: 0 }, given: { start: 0, end: 9 } },
      { asked: { start: 8, end: 99 }, given: { start: 8, end: 9 } },
      { asked: { suffix: 3 }, given: { start: 7, end: 9 } },
      { asked: { suffix: 99 }, given: { start: 0, end: 9 } },
    ])('range $asked gives bytes $given', async ({ asked, given }) => {
      const { open, at } = await start({ digits: '0123456789' })
      const { body, length, size, range } = await (await open()).read(at('digits'), { range: asked })
      expect(await text(body)).toBe('0123456789'.slice(given.start, given.end + 1))
      expect({ length, size, range }).toEqual({ length: given.end - given.start + 1, size: 10, range: given })
    })

    test.for([{ start: 10 }, { start: 10, end: 12 }, { suffix: 0 }])(
      'range %o of 10 bytes is unsatisfiable',
      async (range) => {
        const { open, at } = await start({ digits: '0123456789' })
        await expect((await open()).read(at('digits'), { range })).rejects.toMatchObject({
          code: 'RANGE_UNSATISFIABLE',
        })
      },
    )

    test('any range of an empty object is unsatisfiable', async () => {
      const { open, at } = await start({ empty: '' })
      const read = (await open()).read(at('empty'), { range: { start: 0 } })
      await expect(read).rejects.toMatchObject({ code: 'RANGE_UNSATISFIABLE' })
    })

    test('ifMatch reads the version that was listed, and refuses another', async () => {
      const { open, at, put } = await start({ a: 'first' })
      const provider = await open()
      const etag = (await pages(provider))[0]!.objects[0]!.etag!
      expect(await text((await provider.read(at('a'), { ifMatch: etag })).body)).toBe('first')
      await put(at('a'), 'second')
      await expect(provider.read(at('a'), { ifMatch: etag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    })

    test('what is not there is missing', async () => {
      const { open, at } = await start({ 'folder/a': '' })
      const provider = await open()
      for (const key of ['b', 'folder', 'folder/', 'folder/a/b', 'folder/A']) {
        await expect(provider.read(at(key)), key).rejects.toMatchObject({ code: 'OBJECT_MISSING', retryable: false })
      }
    })
  })

  describe(`${name}: writing`, () => {
    test('an object is created, replaced and removed', async () => {
      const { base, open, at } = await start({ other: '' })
      const provider = await open()
      const key = at('new/folder/a.json')
      await provider.write(key, Buffer.from('{}'), { contentType: 'application/json' })
      const first = await provider.read(key)
      expect(await text(first.body)).toBe('{}')
      expect(first.contentType).toBe('application/json')
      await provider.write(key, Buffer.from('{"é":1}'), { contentType: 'application/json' })
      const second = await provider.read(key)
      expect(await text(second.body)).toBe('{"é":1}')
      expect(second.etag).not.toBe(first.etag)
      expect(await listed(provider, base)).toEqual(['new/folder/a.json', 'other'])
      await provider.remove(key)
      await expect(provider.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
      expect(await listed(provider, base)).toEqual(['other'])
    })

    test('removing what is not there is no fault', async () => {
      const { base, open, at } = await start(bodies('a', 'folder/a'))
      const provider = await open()
      for (const name of ['b', 'c/d', 'folder', 'folder/', 'a/b']) await provider.remove(at(name))
      expect(await listed(provider, base)).toEqual(['a', 'folder/a'])
    })

    test.runIf(abilities.contentType === 'as written')('the content type is the one that was written', async () => {
      const { open, at } = await start()
      const provider = await open()
      await provider.write(at('a.txt'), Buffer.from('x'), { contentType: 'application/x-odd; charset=utf-8' })
      const { body, contentType } = await provider.read(at('a.txt'))
      body.destroy()
      expect(contentType).toBe('application/x-odd; charset=utf-8')
    })

    test('an empty and a large body arrive whole', async () => {
      const { open, at } = await start({ other: '' })
      const provider = await open()
      for (const size of [0, 12_000_000]) {
        const body = Buffer.alloc(size, 'sluice ')
        await provider.write(at('a'), body)
        expect((await buffer((await provider.read(at('a'))).body)).equals(body)).toBe(true)
      }
    })
  })
}
