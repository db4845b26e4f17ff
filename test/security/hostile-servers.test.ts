import { createDatabase } from '@sluice/testkit/app.ts'
import { checkHostile, syncedModes } from '@sluice/testkit/hostile-work.ts'
import { type HostileWorld, startHostileWorld } from '@sluice/testkit/hostile-world.ts'
import { createProject, createStorage, finished, startSync } from '@sluice/testkit/scenario.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** Five times what `npm run bench:servers` measures against: +64 MiB, and 100 ms for /health. */
const [mostMemoryMiB, mostHealthMs] = [5 * 64, 5 * 100]

describe('a hostile server', () => {
  let world: HostileWorld
  beforeAll(async () => {
    world = await startHostileWorld(await createDatabase())
    // The first use loads the SDKs.
    for (const kind of ['S3', 'GCS', 'Azure', 'Redis']) {
      await checkHostile(world, world.places.find(({ name }) => name.startsWith(`${kind} `))!)
    }
  }, 120_000)
  afterAll(() => world?.stop())

  it.each(['S3', 'STS', 'GCS', 'token_uri', 'Azure', 'Redis'])(
    '%s: every check ends with a code of Sluice, and affects neither memory nor other requests',
    async (kind) => {
      const places = world.places.filter(({ name }) => name.startsWith(`${kind} `))
      const codes: Record<string, string | null> = {}
      const strain = await world.strain(async () => {
        await Promise.all(
          places.map(async (place) => {
            codes[place.name] = await checkHostile(world, place)
          }),
        )
      })
      expect(Object.keys(codes).length).toBeGreaterThan(5)
      expect(Object.entries(codes).filter(([, code]) => code === 'INTERNAL')).toEqual([])
      expect(strain.memoryMiB).toBeLessThan(mostMemoryMiB)
      expect(strain.healthP95Ms).toBeLessThan(mostHealthMs)
    },
    120_000,
  )

  it.each(['S3', 'GCS', 'Azure', 'Redis'])(
    '%s: no sync runs endlessly',
    async (kind) => {
      const places = world.places.filter(({ name, mode }) => name.startsWith(`${kind} `) && syncedModes.includes(mode))
      expect(places.length).toBeGreaterThan(0)
      const strain = await world.strain(async () => {
        for (const { name, location } of places) {
          const projectId = await createProject(world.client, name)
          const { storage } = await createStorage(world.client, {
            projectId,
            location,
            importMethod: 'FILES',
            skipCheck: true,
          })
          const run = await finished(world.client, await startSync(world.client, storage.id))
          expect({ name, status: run.status }).toEqual({ name, status: 'FAILED' })
        }
      })
      expect(strain.memoryMiB).toBeLessThan(mostMemoryMiB)
      expect(strain.healthP95Ms).toBeLessThan(mostHealthMs)
    },
    180_000,
  )
})
