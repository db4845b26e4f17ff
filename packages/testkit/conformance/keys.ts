import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { hostileKeys } from './hostile-keys.ts'
import { pairChecks } from './key-pairs.ts'
import { refusesKeys } from './meanings.ts'
import { type Abilities, type Check, type CheckGroup, eachOf, pages, sorted } from './world.ts'

// The other keys hold an object of the name of its folder, which a disk cannot.
const besideItsFolder = 'cafe/below'

const heldBy = (abilities: Abilities) =>
  Object.entries(hostileKeys).flatMap(([what, key]) =>
    what in abilities.cannotHold || key === besideItsFolder ? [] : [key],
  )

// The longest key there may be, base included.
const fitted = (base: string, name: string) => {
  const excess = Buffer.byteLength(base + name) - 1024
  return excess > 0 ? name.slice(0, -excess) : name
}

const each: Check[] = Object.entries(hostileKeys).map(([what, hostile]) => ({
  name: what,
  meaning: refusesKeys,
  needs: ({ cannotHold }) => !(what in cannotHold),
  async run({ abilities, start }) {
    const { base, open, put, at } = await start()
    const name = fitted(base, hostile)
    await put(at(name), `body of ${name}`)
    const provider = await open()
    const [page] = await pages(provider)
    assert.deepEqual(
      page!.objects.map((object) => object.key),
      [at(name)],
    )
    const { key } = page!.objects[0]!
    assert.equal(await text((await provider.read(key)).body), `body of ${name}`)
    if (provider.presign && !(what in abilities.cannotPresign)) {
      const answer = await fetch(await provider.presign(key, { ttlSeconds: 60 }))
      assert.equal(await answer.text(), `body of ${name}`)
    }
    await provider.write(key, Buffer.from('changed'))
    assert.equal(await text((await provider.read(key)).body), 'changed')
    await provider.remove(key)
    assert.deepEqual(await pages(provider), [{ objects: [], cursor: null }])
  },
}))

/** Keys are opaque to every method of a `Provider`. */
export const keys: CheckGroup = {
  title: 'keys are opaque',
  checks: [
    {
      name: 'all of them side by side are listed as they are',
      meaning: refusesKeys,
      async run({ abilities, start, listed }) {
        const { base, open, put, at } = await start()
        const names = heldBy(abilities).map((name) => fitted(base, name))
        await eachOf(names, (name) => put(at(name), ''))
        assert.deepEqual(await listed(await open(), base, { limit: 3 }), sorted(names))
      },
    },
    ...pairChecks,
    ...each,
  ],
}
