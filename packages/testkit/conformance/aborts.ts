import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { type CheckGroup, rejectsWith } from './world.ts'

/** What an abort does to the methods of a `Provider` and to open bodies. */
export const aborts: CheckGroup = {
  title: 'giving up',
  checks: [
    {
      name: 'nothing is done once the signal has aborted',
      async run({ start }) {
        const { open, at } = await start({ a: 'kept' })
        const provider = await open()
        const reason = new Error('changed my mind')
        const signal = AbortSignal.abort(reason)
        await rejectsWith(provider.check(signal), reason)
        await rejectsWith(provider.list({ cursor: null, limit: 1, recursive: true, signal }), reason)
        await rejectsWith(provider.read(at('a'), { signal }), reason)
        await rejectsWith(provider.write(at('a'), Buffer.from('lost'), { signal }), reason)
        await rejectsWith(provider.remove(at('a'), signal), reason)
        assert.equal(await text((await provider.read(at('a'))).body), 'kept')
      },
    },
    {
      name: 'an abort while a body is read ends it with the reason',
      async run({ start }) {
        const { open, at } = await start({ big: Buffer.alloc(16_000_000) })
        const provider = await open()
        const controller = new AbortController()
        const reason = new Error('the viewer has left')
        const { body } = await provider.read(at('big'), { signal: controller.signal })
        let bytes = 0
        const reading = (async () => {
          for await (const chunk of body) {
            bytes += chunk.length
            controller.abort(reason)
            await setImmediate()
          }
        })()
        await rejectsWith(reading, reason)
        assert.ok(bytes < 16_000_000)
        assert.ok(body.destroyed)
      },
    },
    {
      name: 'an abort after a body was read does no harm',
      async run({ start }) {
        const { open, at } = await start({ a: 'hello' })
        const controller = new AbortController()
        const { body } = await (await open()).read(at('a'), { signal: controller.signal })
        assert.equal(await text(body), 'hello')
        controller.abort()
        await setImmediate()
        assert.equal(body.errored, null)
      },
    },
    {
      name: 'a body that is destroyed early leaves the provider usable',
      async run({ start }) {
        const { open, at } = await start({ big: Buffer.alloc(2_000_000), small: 'fine' })
        const provider = await open()
        for (let n = 0; n < 20; n++) (await provider.read(at('big'))).body.destroy()
        assert.equal(await text((await provider.read(at('small'))).body), 'fine')
      },
    },
  ],
}
