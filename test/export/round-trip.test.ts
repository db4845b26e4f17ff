import { annotate, createTasks, updateAnnotation } from '@sluice/testkit/annotate.ts'
import { exportAll, target } from '@sluice/testkit/exports.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

/** All that a project's tasks are, as text, to the digit: in the order of their data. */
async function contentsOf(project: string) {
  return query(
    world.app.databaseUrl,
    `select t.data::text as data, t.meta::text as meta, t.allow_skip, t.created_at::text, t.updated_at::text,
       (select json_agg(json_build_array(p.result::text, p.score, p.model_version, p.created_at) order by p.id)
        from prediction p where p.task_id = t.id) as predictions,
       (select json_agg(json_build_array(a.result::text, a.was_cancelled, a.completed_by, a.lead_time_seconds,
           a.created_at, a.updated_at)
          order by a.result::text)
        from annotation a where a.task_id = t.id) as annotations
     from task t where t.project_id = $1 order by t.data::text`,
    [numberOf(project)],
  )
}

/** A project whose tasks have what is hard to carry: big numbers, odd texts, several labels, none, skipped ones. */
async function richProject(): Promise<string> {
  const objects = {
    'a.json': `[{"data":{"n":12345678901234567890,"f":1.50,"s":"ä \\u2028 \\u0000"},"meta":{"m":98765432109876543210},
      "allow_skip":false,"predictions":[{"result":[{"n":12345678901234567890}],"score":0.25,"model_version":"v1"},{"result":[]}],
      "annotations":[{"result":[98765432109876543210],"completed_by":"ada","lead_time":2.5},{"result":["b"],"was_cancelled":true}]},
      {"data":{"plain":true}},{"bare":[1,2]}]`,
  }
  const { id, project } = await world.storage({ objects, importMethod: 'TASKS' })
  expect(await sync(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
  const tasks = await createTasks(world.app, project, [{ uri: 's3://b/x.jpg' }, { nobody: 'labels this' }])
  const [first] = await annotate(world.app, [tasks[0]!, tasks[0]!, tasks[0]!])
  await updateAnnotation(world.app, { id: first!.id, result: [{ last: 'version' }] })
  return project
}

describe.each(['ANNOTATION', 'TASK'] as const)('an export in %s format', (exportFormat) => {
  it('can be imported into an empty project without loss, and again without a change', async () => {
    const project = await richProject()
    const annotated = (await contentsOf(project)).filter(({ annotations }) => annotations !== null)
    expect(annotated).toHaveLength(2)
    const { id, bucket } = await target(world, { project, exportFormat, autoExport: false })
    const objects = exportFormat === 'TASK' ? 2 : 5
    expect(await exportAll(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { exported: objects } })

    const empty = await createProject(world.app)
    const source = await world.storage({ bucket, project: empty, importMethod: 'TASKS' })
    const run = await sync(world.app, source.id)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { matched: objects, created: 2, failed: 0 } })
    expect(await contentsOf(empty)).toEqual(annotated)
    expect(await sync(world.app, source.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, existed: objects },
    })
    expect(await contentsOf(empty)).toEqual(annotated)
  })

  it('can be imported and exported again with the same labels', async () => {
    const project = await richProject()
    const { id, bucket } = await target(world, { project, exportFormat, autoExport: false })
    await exportAll(world.app, id)
    const second = await createProject(world.app)
    const source = await world.storage({ bucket, project: second, importMethod: 'TASKS' })
    await sync(world.app, source.id)
    const next = await target(world, { project: second, exportFormat, autoExport: false })
    await exportAll(world.app, next.id)
    const third = await createProject(world.app)
    const last = await world.storage({ bucket: next.bucket, project: third, importMethod: 'TASKS' })
    await sync(world.app, last.id)
    expect(await contentsOf(third)).toEqual(await contentsOf(second))
  })
})
