import assert from 'node:assert/strict'
import { buffer, text } from 'node:stream/consumers'
import { ignoresChecksum } from './meanings.ts'
import { bodies, type Check, type CheckGroup, pages, rejectsAs } from './world.ts'

const ranges: Check[] = [
  { asked: { start: 2, end: 4 }, given: { start: 2, end: 4 } },
  { asked: { start: 0, end: 0 }, given: { start: 0, end: 0 } },
  { asked: { start: 7 }, given: { start: 7, end: 9 } },
  { asked: { start: 0 }, given: { start: 0, end: 9 } },
  { asked: { start: 8, end: 99 }, given: { start: 8, end: 9 } },
  { asked: { suffix: 3 }, given: { start: 7, end: 9 } },
  { asked: { suffix: 99 }, given: { start: 0, end: 9 } },
].map(({ asked, given }) => ({
  name: `of 10 bytes, the range ${'suffix' in asked ? `-${asked.suffix}` : `${asked.start}-${asked.end ?? ''}`} gives ${given.start}-${given.end}`,
  async run({ start }) {
    const { open, at } = await start({ digits: '0123456789' })
    const { body, length, size, range } = await (await open()).read(at('digits'), { range: asked })
    assert.equal(await text(body), '0123456789'.slice(given.start, given.end + 1))
    assert.deepEqual({ length, size, range }, { length: given.end - given.start + 1, size: 10, range: given })
  },
}))

const past: Check[] = [{ start: 10 }, { start: 10, end: 12 }, { suffix: 0 }].map((range) => ({
  name: `of 10 bytes, the range ${'suffix' in range ? '-0' : `10-${range.end ?? ''}`} is unsatisfiable`,
  async run({ start }) {
    const { open, at } = await start({ digits: '0123456789' })
    await rejectsAs((await open()).read(at('digits'), { range }), 'RANGE_UNSATISFIABLE')
  },
}))

/** Promises of `Provider.check` and `read`. */
export const reading: CheckGroup = {
  title: 'reading',
  checks: [
    {
      name: 'check passes where listing would',
      async run({ start }) {
        await (await (await start({ a: '' })).open()).check()
      },
    },
    {
      name: 'a whole object has no range',
      async run({ start }) {
        const { open, at } = await start({ 'a.txt': 'hello' })
        const { body, range, length, size } = await (await open()).read(at('a.txt'))
        assert.equal(await text(body), 'hello')
        assert.deepEqual({ range, length, size }, { range: undefined, length: 5, size: 5 })
      },
    },
    {
      name: 'an empty object has an empty body',
      async run({ start }) {
        const { open, at } = await start({ 'a.txt': '' })
        const { body, length, size } = await (await open()).read(at('a.txt'))
        assert.deepEqual([await text(body), length, size], ['', 0, 0])
      },
    },
    ...ranges,
    ...past,
    {
      name: 'any range of an empty object is unsatisfiable',
      async run({ start }) {
        const { open, at } = await start({ empty: '' })
        await rejectsAs((await open()).read(at('empty'), { range: { start: 0 } }), 'RANGE_UNSATISFIABLE')
      },
    },
    {
      name: 'ifMatch reads the version that was listed, and refuses another',
      needs: ({ versions = true }) => versions,
      async run({ start }) {
        const { open, at, put } = await start({ a: 'first' })
        const provider = await open()
        const etag = (await pages(provider))[0]!.objects[0]!.etag!
        assert.equal(await text((await provider.read(at('a'), { ifMatch: etag })).body), 'first')
        await put(at('a'), 'second')
        await rejectsAs(provider.read(at('a'), { ifMatch: etag }), 'PRECONDITION_FAILED')
      },
    },
    {
      name: 'head tells what read tells, without the bytes',
      async run({ start }) {
        const { open, at } = await start({ 'a.txt': 'hello', empty: '' })
        const provider = await open()
        for (const key of [at('a.txt'), at('empty')]) {
          const { body, size, etag, lastModified, contentType } = await provider.read(key)
          body.destroy()
          const head = await provider.head(key)
          const seconds = (time: Date | null) => time && Math.floor(time.getTime() / 1000)
          assert.deepEqual(
            { ...head, lastModified: seconds(head.lastModified) },
            { size, etag, lastModified: seconds(lastModified), contentType },
          )
        }
        await rejectsAs(provider.head(at('missing')), 'OBJECT_MISSING')
      },
    },
    {
      name: 'what is not there is missing',
      async run({ start }) {
        const { open, at } = await start({ 'folder/a': '' })
        const provider = await open()
        for (const key of ['b', 'folder', 'folder/', 'folder/a/b', 'folder/A']) {
          await rejectsAs(provider.read(at(key)), 'OBJECT_MISSING', key)
        }
      },
    },
  ],
}

/** Promises of `Provider.write` and `remove`. */
export const writing: CheckGroup = {
  title: 'writing',
  checks: [
    {
      name: 'an object is created, replaced and removed',
      async run({ abilities, start, listed }) {
        const { base, open, at } = await start({ other: '' })
        const provider = await open()
        const key = at('new/folder/a.json')
        await provider.write(key, Buffer.from('{}'), { contentType: 'application/json' })
        const first = await provider.read(key)
        assert.equal(await text(first.body), '{}')
        assert.equal(first.contentType, 'application/json')
        await provider.write(key, Buffer.from('{"é":1}'), { contentType: 'application/json' })
        const second = await provider.read(key)
        assert.equal(await text(second.body), '{"é":1}')
        if (abilities.versions !== false) assert.notEqual(second.etag, first.etag)
        assert.deepEqual(await listed(provider, base), ['new/folder/a.json', 'other'])
        await provider.remove(key)
        await rejectsAs(provider.read(key), 'OBJECT_MISSING')
        assert.deepEqual(await listed(provider, base), ['other'])
      },
    },
    {
      name: 'removing what is not there is no fault',
      async run({ start, listed }) {
        const { base, open, at } = await start(bodies('a', 'folder/a'))
        const provider = await open()
        for (const name of ['b', 'c/d', 'folder', 'folder/', 'a/b']) await provider.remove(at(name))
        assert.deepEqual(await listed(provider, base), ['a', 'folder/a'])
      },
    },
    {
      name: 'the content type is the one that was written',
      needs: ({ contentType }) => contentType === 'as written',
      async run({ start }) {
        const { open, at } = await start()
        const provider = await open()
        await provider.write(at('a.txt'), Buffer.from('x'), { contentType: 'application/x-odd; charset=utf-8' })
        const { body, contentType } = await provider.read(at('a.txt'))
        body.destroy()
        assert.equal(contentType, 'application/x-odd; charset=utf-8')
      },
    },
    {
      name: 'a write carries a checksum, as Object Lock demands, and a body that does not match it is refused',
      meaning: ignoresChecksum,
      needs: ({ checksums = false }) => checksums,
      async run({ start }) {
        const { open, at, putDamaged } = await start({ other: '' })
        const provider = await open()
        await provider.write(at('a'), Buffer.from('whole'))
        assert.equal(await text((await provider.read(at('a'))).body), 'whole')
        await assert.rejects(putDamaged!(at('b'), Buffer.from('damaged')), () => true, 'a damaged body is stored')
        await rejectsAs(provider.read(at('b')), 'OBJECT_MISSING')
      },
    },
    {
      name: 'an empty and a large body arrive whole',
      async run({ start }) {
        const { open, at } = await start({ other: '' })
        const provider = await open()
        for (const size of [0, 12_000_000]) {
          const body = Buffer.alloc(size, 'sluice ')
          await provider.write(at('a'), body)
          assert.ok((await buffer((await provider.read(at('a'))).body)).equals(body), `${size} bytes`)
        }
      },
    },
  ],
}
