import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { previewObjects } from '../../src/storages/preview.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

it('previewObjects ends with TIMEOUT when a listing never responds', async () => {
  const { databaseId } = await world.storage({ objects: {} })
  const { em } = world.app.orm
  const never = new Promise<never>(() => {})
  const list = ({ signal }: { signal?: AbortSignal }) =>
    Promise.race([
      never,
      new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    ])
  let closed = 0
  const parts = {
    em,
    connect: async () => ({ list, close: () => closed++ }),
  } as unknown as Parameters<typeof previewObjects>[0]
  const preview = previewObjects(parts, { id: databaseId }, { input: {}, first: 10, timeoutMs: 50 })
  await expect(preview).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(closed).toBe(1)
})
