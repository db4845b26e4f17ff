import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { annotate, createTasks, deleteAnnotations, updateAnnotation } from '@sluice/testkit/annotate.ts'
import { createTarget, startExport } from '@sluice/testkit/exports.ts'
import { createProject, createStorage, finished, sync } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

it('a server that imports the exports of another one again and again gets the same labels', async () => {
  const bucket = await world.bucket({})
  const location = {
    s3: { bucket, prefix: 'out', endpoint: world.s3.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' },
  }
  const from = await createProject(world.app)
  const tasks = await createTasks(world.app, from, [{ n: 1 }, { n: 2 }])
  const made = await annotate(world.app, [tasks[0]!, tasks[0]!, tasks[1]!], ['first'])
  const { storage: exporter } = await createTarget(world.app, {
    projectId: from,
    location,
    canDeleteObjects: true,
    skipCheck: true,
  })
  const to = await createProject(world.app)
  const { storage: source } = await createStorage(world.app, {
    ...{ projectId: to, location, skipCheck: true, importMethod: 'TASKS', changedPolicy: 'UPDATE' },
    missingPolicy: 'DELETE_UNANNOTATED',
  })
  const labels = async (project: string) =>
    (await tasksOf(world.app, project)).map(({ data, annotations }) => [
      data.n,
      annotations.map(({ result }) => JSON.stringify(result)).sort(),
    ])
  const exportAll = async () => {
    expect(await finished(world.app, await startExport(world.app, { storageId: exporter.id }))).toMatchObject({
      status: 'COMPLETED',
    })
  }
  const steps: [number, () => Promise<unknown>][] = [
    [3, async () => {}],
    [3, async () => updateAnnotation(world.app, { id: made[1]!.id, result: ['second'] })],
    [4, async () => annotate(world.app, [tasks[1]!], ['third'])],
    [3, async () => deleteAnnotations(world.app, [made[0]!.id])],
  ]
  for (const [objects, step] of steps) {
    await step()
    await exportAll()
    // Removals are written by a job of their own.
    await until(async () => {
      const { KeyCount } = await world.s3.client.send(new ListObjectsV2Command({ Bucket: bucket }))
      return KeyCount === objects
    })
    expect(await sync(world.app, source.id)).toMatchObject({ status: 'COMPLETED' })
    expect((await labels(to)).sort()).toEqual((await labels(from)).sort())
  }
})
