import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ObjectBody } from '../../../src/providers/provider.ts'
import type { CheckGroup } from './world.ts'

const large = 100_000_000
const maxGrowth = 8_000_000
const sampleEvery = 10_000_000

/** Bytes that buffers hold after all that can be has been given back. */
function heldByBuffers(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  // What the first one found is given back behind its back; the second waits for that.
  collect()
  collect()
  return process.memoryUsage().arrayBuffers
}

/** The same, after whatever was done before has let go of its buffers too. */
async function heldAtRest(): Promise<number> {
  let least = heldByBuffers()
  for (let turn = 0; turn < 10; turn++) {
    await setImmediate()
    least = Math.min(least, heldByBuffers())
  }
  return least
}

/** Reads the large object slowly to its end. The most bytes that buffers held meanwhile. */
async function mostHeldWhile({ body, size }: ObjectBody): Promise<number> {
  assert.equal(size, large)
  let [bytes, sampleAt, most] = [0, 0, 0]
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes < sampleAt) continue
    sampleAt = bytes + sampleEvery
    // Time for what is pushed without being asked for to pile up.
    for (let turn = 0; turn < 50; turn++) await setImmediate()
    most = Math.max(most, heldByBuffers())
  }
  assert.equal(bytes, large)
  return most
}

/** Promises that only show with much data or many callers. */
export const load: CheckGroup = {
  title: 'under load',
  checks: [
    {
      name: 'an object of 100 MB needs a few MB of memory, also if the reader is slow',
      slow: true,
      async run({ start }) {
        const { open, at, put, putLarge } = await start()
        const key = at('large')
        await (putLarge ? putLarge(key, large) : put(key, Buffer.alloc(large)))
        const provider = await open()
        const before = await heldAtRest()
        const most = await mostHeldWhile(await provider.read(key))
        // A server in this very process holds the object before and after.
        const growth = most - Math.min(before, await heldAtRest())
        assert.ok(growth < maxGrowth, `up to ${Math.round(growth / 1e6)} MB were held`)
      },
    },
    {
      name: '1,000 objects are read at once',
      slow: true,
      async run({ start }) {
        const names = Array.from({ length: 50 }, (_, n) => `small/${n}.json`)
        const { open, at } = await start(Object.fromEntries(names.map((name) => [name, `body of ${name}`])))
        const provider = await open()
        const reads = Array.from({ length: 1000 }, async (_, n) => {
          const name = names[n % names.length]!
          return (await text((await provider.read(at(name))).body)) === `body of ${name}`
        })
        assert.equal((await Promise.all(reads)).filter(Boolean).length, 1000)
      },
    },
  ],
}
