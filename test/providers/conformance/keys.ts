import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { hostileKeys } from '../hostile-keys.ts'
import { type Abilities, bodies, pages, sorted, type World } from './world.ts'

/** Keys are opaque to every method of a `Provider`; and what `presign` promises. */
export function describeKeys(name: string, abilities: Abilities, { start, listed }: World): void {
  describe(`${name}: keys are opaque`, () => {
    const keys = Object.entries(hostileKeys).filter(([what]) => !(what in abilities.cannotHold))

    test('all of them side by side are listed as they are', async () => {
      const { base, open } = await start(bodies(...keys.map(([, key]) => key).filter((key) => key !== 'cafe/below')))
      const names = await listed(await open(), base, { limit: 3 })
      expect(names).toEqual(sorted(keys.map(([, key]) => key).filter((key) => key !== 'cafe/below')))
    })

    test.for(keys)('%s', async ([what, name]) => {
      const { open, put, at } = await start()
      await put(at(name), `body of ${name}`)
      const provider = await open()
      const [page] = await pages(provider)
      expect(page!.objects.map((object) => object.key)).toEqual([at(name)])
      const { key } = page!.objects[0]!
      expect(await text((await provider.read(key)).body)).toBe(`body of ${name}`)
      if (provider.presign && !(what in abilities.cannotPresign)) {
        expect(await (await fetch(await provider.presign(key, { ttlSeconds: 60 }))).text()).toBe(`body of ${name}`)
      }
      await provider.write(key, Buffer.from('changed'))
      expect(await text((await provider.read(key)).body)).toBe('changed')
      await provider.remove(key)
      expect(await pages(provider)).toEqual([{ objects: [], cursor: null }])
    })
  })

  describe.runIf(abilities.presign)(`${name}: signed URLs`, () => {
    test('a plain GET of one gives the bytes, with a content type a browser can show', async () => {
      const { open, at } = await start({ 'a photo.jpg': 'pixels' })
      const provider = await open()
      const answer = await fetch(await provider.presign!(at('a photo.jpg'), { ttlSeconds: 60 }))
      expect(answer.status).toBe(200)
      expect(await answer.text()).toBe('pixels')
      expect(answer.headers.get('content-type')).toBe('image/jpeg')
    })

    test('a range of one can be asked for', async () => {
      const { open, at } = await start({ digits: '0123456789' })
      const url = await (await open()).presign!(at('digits'), { ttlSeconds: 60 })
      const answer = await fetch(url, { headers: { range: 'bytes=2-4' } })
      expect([answer.status, await answer.text()]).toEqual([206, '234'])
    })
  })

  test.runIf(!abilities.presign)(`${name}: no method to sign URLs is offered`, async () => {
    expect((await (await start({ a: '' })).open()).presign).toBeUndefined()
  })
}
