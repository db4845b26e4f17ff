import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import type { ByteRange } from '../../../src/providers/provider.ts'
import { formatUri, parseUri } from '../../../src/providers/uri.ts'
import { type CheckGroup, rejectsAs, rejectsWith } from './world.ts'

/** Promises that can be tried on objects which are there already, so that nothing is written. */
export const existing: CheckGroup = {
  title: 'what is there already',
  readOnly: true,
  checks: [
    {
      name: 'the connection check passes',
      async run({ existing }) {
        await (await existing()).provider.check()
      },
    },
    {
      name: 'small pages hold the same keys in the same order as large ones',
      needs: ({ keyOrder }) => keyOrder === 'bytes',
      async run({ existing }) {
        const { provider, objects } = await existing()
        const keys: string[] = []
        let cursor: string | null = null
        for (let page = 0; page < 10 && (page === 0 || cursor !== null); page++) {
          const answer = await provider.list({ cursor, limit: 3, recursive: true })
          keys.push(...answer.objects.map((object) => object.key))
          cursor = answer.cursor
        }
        assert.deepEqual(
          keys,
          objects.slice(0, keys.length).map((object) => object.key),
        )
      },
    },
    {
      name: 'a listing starts after a string that is no key',
      needs: ({ keyCursor }) => keyCursor,
      async run({ existing }) {
        const { provider, objects } = await existing()
        const from = `${objects[Math.floor(objects.length / 2)]!.key}!${randomUUID()}`
        const behind = objects
          .filter(({ key }) => Buffer.compare(Buffer.from(key), Buffer.from(from)) > 0)
          .slice(0, 100)
        const answer = await provider.list({ cursor: from, limit: 100, recursive: true })
        assert.deepEqual(
          answer.objects.slice(0, behind.length).map(({ key }) => key),
          behind.map(({ key }) => key),
        )
      },
    },
    {
      name: 'an object is what the listing says: size, etag, time',
      async run({ abilities, existing }) {
        const { provider, object } = await existing()
        const { body, length, size, etag, lastModified } = await provider.read(object.key)
        const bytes = await buffer(body)
        assert.deepEqual([bytes.length, length, size, etag], [object.size, object.size, object.size, object.etag])
        if (abilities.versions === false) return assert.equal(lastModified, object.lastModified)
        assert.ok(Math.abs(lastModified!.getTime() - object.lastModified!.getTime()) < 1000)
      },
    },
    {
      name: 'a range is that part of the object',
      async run({ existing }) {
        const { provider, object } = await existing()
        const whole = await buffer((await provider.read(object.key)).body)
        const asked: [ByteRange, number, number][] = [
          [{ start: 2, end: 4 }, 2, 4],
          [{ start: object.size - 3 }, object.size - 3, object.size - 1],
          [{ suffix: 4 }, object.size - 4, object.size - 1],
        ]
        for (const [range, start, end] of asked) {
          const part = await provider.read(object.key, { range })
          const bytes = await buffer(part.body)
          assert.deepEqual(part.range, { start, end })
          assert.equal(part.size, object.size)
          assert.ok(bytes.equals(whole.subarray(start, end + 1)))
        }
      },
    },
    {
      name: 'a range past the end is unsatisfiable',
      async run({ existing }) {
        const { provider, object } = await existing()
        await rejectsAs(provider.read(object.key, { range: { start: object.size } }), 'RANGE_UNSATISFIABLE')
      },
    },
    {
      name: 'ifMatch reads the listed version, and no other',
      needs: ({ versions = true }) => versions,
      async run({ existing }) {
        const { provider, object } = await existing()
        const etag = object.etag!
        ;(await provider.read(object.key, { ifMatch: etag })).body.destroy()
        const other = etag.replace(/[0-9a-f](?=[^0-9a-f]*$)/i, (digit) => (digit === '0' ? '1' : '0'))
        await rejectsAs(provider.read(object.key, { ifMatch: other }), 'PRECONDITION_FAILED')
      },
    },
    {
      name: 'a key beside it is missing',
      async run({ existing }) {
        const { provider, object } = await existing()
        await rejectsAs(provider.read(`${object.key}.${randomUUID()}`), 'OBJECT_MISSING')
      },
    },
    {
      name: 'every listed key survives as a URI',
      async run({ existing }) {
        const { objects } = await existing()
        for (const { key } of objects) {
          assert.equal(parseUri(formatUri({ scheme: 's3', bucket: 'bucket', key }))!.key, key)
        }
      },
    },
    {
      name: 'a signed URL of it gives its bytes',
      needs: ({ presign }) => presign,
      async run({ existing }) {
        const { provider, object } = await existing()
        const answer = await fetch(await provider.presign!(object.key, { ttlSeconds: 60 }))
        assert.equal(answer.status, 200)
        assert.equal((await answer.arrayBuffer()).byteLength, object.size)
      },
    },
    {
      name: 'a signed URL that was changed is refused',
      needs: ({ presign, signatures }) => presign && signatures !== 'not checked',
      async run({ existing }) {
        const { provider, object } = await existing()
        const url = await provider.presign!(object.key, { ttlSeconds: 60 })
        const [name, value] = [...url.searchParams].find(([name]) => /^(sig|X-\w+-Signature)$/i.test(name))!
        url.searchParams.set(
          name,
          value.replace(/^./, (first) => (first === '1' ? '2' : '1')),
        )
        const answer = await fetch(url)
        await answer.body?.cancel()
        assert.ok(answer.status === 401 || answer.status === 403, `${answer.status}`)
      },
    },
    {
      name: 'an aborted listing and reading reject with the reason',
      async run({ existing }) {
        const { provider, object } = await existing()
        const reason = new Error('changed my mind')
        const signal = AbortSignal.abort(reason)
        await rejectsWith(provider.list({ cursor: null, limit: 1, recursive: true, signal }), reason)
        await rejectsWith(provider.read(object.key, { signal }), reason)
      },
    },
  ],
}
