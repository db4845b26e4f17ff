import { startKindWorld } from '@sluice/testkit/kind-world.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { mediaLinkOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

/** Seconds that the presigned URL lives to which a link redirects an element of this kind. */
async function lifetimeFor(link: string, destination?: string): Promise<number> {
  const headers = { ...(destination && { 'sec-fetch-dest': destination }) }
  const answer = await fetch(link, { redirect: 'manual', headers })
  expect(answer.status).toBe(303)
  const { searchParams } = new URL(answer.headers.get('location')!)
  return Number(searchParams.get('X-Amz-Expires'))
}

async function linkOf(settings: object): Promise<string> {
  const storage = await world.storage({ objects: { 'a.mp4': 'x' }, presign: true, ...settings })
  await sync(world.app, storage.id)
  return mediaLinkOf(world.app, storage.project)
}

describe('a link', () => {
  it('gives players of sound and video a presigned URL for mediaTtlMinutes, and others one for presignTtlMinutes', async () => {
    const link = await linkOf({})
    for (const destination of ['video', 'audio', 'track']) expect(await lifetimeFor(link, destination)).toBe(480 * 60)
    for (const destination of [undefined, 'image', 'empty', 'document']) {
      expect(await lifetimeFor(link, destination)).toBe(15 * 60)
    }
    // The two are cached separately.
    expect(await lifetimeFor(link, 'video')).toBe(480 * 60)
  })

  it('uses the settings of its storage', async () => {
    const link = await linkOf({ presignTtlMinutes: 7, mediaTtlMinutes: 10_080 })
    expect([await lifetimeFor(link, 'audio'), await lifetimeFor(link)]).toEqual([10_080 * 60, 7 * 60])
  })
})

it.each(['GCS', 'AZURE_BLOB'] as const)('a link to an object in %s lives as long for players', async (kind) => {
  const place = await startKindWorld(kind)
  try {
    await place.put('in/a.mp4', 'x')
    await query(
      place.app.databaseUrl,
      'update storage set presign = true, presign_ttl_minutes = 10, media_ttl_minutes = 300',
    )
    const endOf = async (destination: string) => {
      const answer = await place.get('in/a.mp4', { 'sec-fetch-dest': destination })
      expect(answer.status).toBe(303)
      const { searchParams } = new URL(answer.headers.get('location')!)
      const seconds = searchParams.get('X-Goog-Expires')
      return seconds ? Number(seconds) / 60 : (Date.parse(searchParams.get('se')!) - Date.now()) / 60_000
    }
    expect(await endOf('video')).toBeCloseTo(300, -1)
    expect(await endOf('image')).toBeCloseTo(10, -1)
  } finally {
    await place.stop()
  }
})
