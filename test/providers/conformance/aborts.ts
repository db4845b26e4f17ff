import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { World } from './world.ts'

/** What an abort does to the methods of a `Provider` and to open bodies. */
export function describeAborts(name: string, { start }: World): void {
  describe(`${name}: giving up`, () => {
    test('nothing is done once the signal has aborted', async () => {
      const { open, at } = await start({ a: 'kept' })
      const provider = await open()
      const reason = new Error('changed my mind')
      const signal = AbortSignal.abort(reason)
      await expect(provider.check(signal)).rejects.toBe(reason)
      await expect(provider.list({ cursor: null, limit: 1, recursive: true, signal })).rejects.toBe(reason)
      await expect(provider.read(at('a'), { signal })).rejects.toBe(reason)
      await expect(provider.write(at('a'), Buffer.from('lost'), { signal })).rejects.toBe(reason)
      await expect(provider.remove(at('a'), signal)).rejects.toBe(reason)
      expect(await text((await provider.read(at('a'))).body)).toBe('kept')
    })

    test('an abort while a body is read ends it with the reason', async () => {
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
      await expect(reading).rejects.toBe(reason)
      expect(bytes).toBeLessThan(16_000_000)
      expect(body.destroyed).toBe(true)
    })

    test('an abort after a body was read does no harm', async () => {
      const { open, at } = await start({ a: 'hello' })
      const controller = new AbortController()
      const { body } = await (await open()).read(at('a'), { signal: controller.signal })
      expect(await text(body)).toBe('hello')
      controller.abort()
      await setImmediate()
      expect(body.errored).toBe(null)
    })

    test('a body that is destroyed early leaves the provider usable', async () => {
      const { open, at } = await start({ big: Buffer.alloc(2_000_000), small: 'fine' })
      const provider = await open()
      for (let n = 0; n < 20; n++) (await provider.read(at('big'))).body.destroy()
      expect(await text((await provider.read(at('small'))).body)).toBe('fine')
    })
  })
}
