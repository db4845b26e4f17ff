import { describe, expect, it } from 'vitest'
import type { Connect } from '../../src/connect.ts'
import type { Storage } from '../../src/entities/storage.ts'
import { createDeliveryDeps, deliver } from '../../src/resolve/deliver.ts'

const storage = {
  ...{ id: 1, provider: 'S3', location: { bucket: 'b', prefix: '' }, updatedAt: new Date(0) },
  ...{ presign: true, presignTtlMinutes: 15, mediaTtlMinutes: 480, recursive: true },
} as unknown as Storage

/** Delivers an object of a storage whose credentials end after so many minutes. */
async function lifetime(credentialMinutes: number, isPlayer: boolean): Promise<number | 'PROXY'> {
  const presign = async (_key: string, { ttlSeconds }: { ttlSeconds: number }) => {
    const seconds = Math.min(ttlSeconds, credentialMinutes * 60)
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    return new URL(`https://b.example/a.mp4?X-Amz-Date=${date}&X-Amz-Expires=${seconds}`)
  }
  const connect = (async () => ({ presign, close() {} })) as unknown as Connect
  const delivery = await deliver(createDeliveryDeps(connect), { storage, key: 'a.mp4' }, { isPlayer })
  return delivery.mode === 'PRESIGN' ? Number(new URL(delivery.url).searchParams.get('X-Amz-Expires')) / 60 : 'PROXY'
}

describe('an object of a storage with temporary credentials', () => {
  it.each([
    [720, true, 480],
    [480, true, 480],
    [60, true, 'PROXY'],
    [720, false, 15],
    [60, false, 15],
    [5, false, 5],
  ])('that end in %i minutes, for a player: %s, is delivered with %s', async (minutes, isPlayer, delivered) => {
    expect(await lifetime(minutes, isPlayer)).toBe(delivered)
  })
})
