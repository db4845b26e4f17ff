import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { exportEnd, objectsOf, startExport, target } from '@sluice/testkit/exports.ts'
import { type Credentials, startFront } from '@sluice/testkit/s3-front.ts'
import { finished, startSync } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sameKeys, success, update } from './storage-changes-place.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({}, 100)
})
afterAll(() => world?.stop())

describe('new secrets for the same place', () => {
  it('are used by a running import at its next request, also if the old ones no longer work', async () => {
    const accepted: Credentials[] = [{ accessKeyId: 'old', secretAccessKey: 'old-secret' }]
    const front = await startFront({ target: world.s3.endpoint, credentials: accepted, maxKeys: 50 })
    try {
      const bucket = await world.bucket(sameKeys())
      const location = (name: string) => ({
        s3: { bucket, endpoint: front.endpoint, accessKeyId: name, secretAccessKey: `${name}-secret` },
      })
      const storage = await world.storage({ location: location('old') })
      let pages = 0
      const held = front.fail({ hold: true, match: ({ operation }) => operation === 'ListObjectsV2' && pages++ > 0 })
      const run = await startSync(world.app, storage.id)
      await held.met
      accepted.splice(0, 1, { accessKeyId: 'new', secretAccessKey: 'new-secret' })
      expect(await update(world.app, 'Import', { id: storage.id, location: location('new') })).toEqual(
        success('Import'),
      )
      held.release()
      const { status, counters } = await finished(world.app, run)
      expect([status, counters.created]).toEqual(['COMPLETED', 250])
    } finally {
      await front.stop()
    }
  })

  it('are used by a running export', async () => {
    const accepted: Credentials[] = [{ accessKeyId: 'old', secretAccessKey: 'old-secret' }]
    const front = await startFront({ target: world.s3.endpoint, credentials: accepted })
    try {
      const bucket = await world.bucket()
      const location = (name: string) => ({
        s3: { bucket, endpoint: front.endpoint, accessKeyId: name, secretAccessKey: `${name}-secret` },
      })
      const { id, project } = await target(world, { location: location('old'), autoExport: false })
      const tasks = await createTasks(
        world.app,
        project,
        Array.from({ length: 300 }, (_, n) => ({ n })),
      )
      await annotate(world.app, tasks)
      let writes = 0
      const held = front.fail({ hold: true, match: ({ operation }) => operation === 'PutObject' && writes++ > 20 })
      const run = await startExport(world.app, { storageId: id })
      await held.met
      // Writes with the old secrets in between are refused.
      accepted.push({ accessKeyId: 'new', secretAccessKey: 'new-secret' })
      expect(await update(world.app, 'Export', { id, location: location('new') })).toEqual(success('Export'))
      accepted.shift()
      held.release()
      expect(await exportEnd(world.app, run)).toMatchObject({ status: 'COMPLETED', counters: { exported: 300 } })
      expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(300)
    } finally {
      await front.stop()
    }
  })
})
