import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { Abilities, CheckGroup } from './world.ts'

const canSign = ({ presign }: Abilities) => presign
const isChecked = ({ presign, signatures }: Abilities) => presign && signatures !== 'not checked'

/** What `Provider.presign` promises. */
export const signedUrls: CheckGroup = {
  title: 'signed URLs',
  checks: [
    {
      name: 'a plain GET of one gives the bytes, with a content type a browser can show',
      needs: canSign,
      async run({ start }) {
        const { open, at } = await start({ 'a photo.jpg': 'pixels' })
        const provider = await open()
        const answer = await fetch(await provider.presign!(at('a photo.jpg'), { ttlSeconds: 60 }))
        assert.equal(answer.status, 200)
        assert.equal(await answer.text(), 'pixels')
        assert.equal(answer.headers.get('content-type'), 'image/jpeg')
      },
    },
    {
      name: 'a range of one can be asked for',
      needs: canSign,
      async run({ start }) {
        const { open, at } = await start({ digits: '0123456789' })
        const url = await (await open()).presign!(at('digits'), { ttlSeconds: 60 })
        const answer = await fetch(url, { headers: { range: 'bytes=2-4' } })
        assert.deepEqual([answer.status, await answer.text()], [206, '234'])
      },
    },
    {
      name: 'one that was changed, for another object or anywhere in its query, is refused',
      needs: isChecked,
      async run({ start }) {
        const { open, at } = await start({ 'a.txt': 'a', 'b.txt': 'b' })
        const url = await (await open()).presign!(at('a.txt'), { ttlSeconds: 60 })
        assert.equal((await fetch(url)).status, 200)
        const other = new URL(url)
        other.pathname = other.pathname.replace('a.txt', 'b.txt')
        const changed = [...url.searchParams].map(([name, value]) => {
          const copy = new URL(url)
          copy.searchParams.set(
            name,
            value.replace(/.$/, (last) => (last === '1' ? '2' : '1')),
          )
          return copy
        })
        for (const copy of [other, ...changed]) {
          const answer = await fetch(copy)
          await answer.body?.cancel()
          assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} for ${describeChange(url, copy)}`)
        }
      },
    },
    {
      name: 'one is refused when its time is over',
      needs: isChecked,
      async run({ start }) {
        const { open, at } = await start({ 'a.txt': 'a' })
        const url = await (await open()).presign!(at('a.txt'), { ttlSeconds: 1 })
        const end = Date.now() + 60_000
        let status = 200
        while (status === 200 && Date.now() < end) {
          await setTimeout(100)
          const answer = await fetch(url)
          await answer.body?.cancel()
          status = answer.status
        }
        assert.ok(status >= 400 && status < 500, `${status} instead of a refusal`)
      },
    },
    {
      name: 'no method to sign URLs is offered',
      needs: ({ presign }) => !presign,
      async run({ start }) {
        assert.equal((await (await start({ a: '' })).open()).presign, undefined)
      },
    },
  ],
}

function describeChange(url: URL, copy: URL): string {
  const changed = [...url.searchParams].find(([name, value]) => copy.searchParams.get(name) !== value)
  return changed ? `a changed ${changed[0]}` : 'another object'
}
