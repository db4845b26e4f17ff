import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, sync } from '@sluice/testkit/scenario.ts'
import { query, statementsOf } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSnapshots, type Snapshots } from '../../src/graphql/snapshots.ts'

let world: World
let snapshots: Snapshots
beforeAll(async () => {
  world = await startWorld()
  snapshots = createSnapshots(world.app.orm.em)
})
afterAll(() => world?.stop())

describe('snapshots', () => {
  it('of concurrent requests are read once, and each caller gets its own', async () => {
    const projects = [await createProject(world.app), await createProject(world.app), await createProject(world.app)]
    const [one, two, other] = [
      await world.storage({ project: projects[0]!, objects: { a: '' } }),
      await world.storage({ project: projects[0]!, objects: {} }),
      await world.storage({ project: projects[1]!, objects: {} }),
    ]
    await sync(world.app, one.id)
    const [{ last }] = await query(world.app.databaseUrl, 'select max(id)::int as last from event')
    const asked = [
      { type: 'PROJECT' as const, id: numberOf(projects[0]!) },
      { type: 'PROJECT' as const, id: numberOf(projects[1]!) },
      { type: 'PROJECT' as const, id: numberOf(projects[2]!) },
      { type: 'STORAGE' as const, id: one.databaseId },
      { type: 'STORAGE' as const, id: 999_999 },
    ]
    let told: Awaited<ReturnType<Snapshots['storages']>>[] = []
    const statements = await statementsOf(async () => {
      told = await Promise.all([...asked, ...asked].map((watched) => snapshots.storages(watched)))
    })
    expect(statements.filter((text) => text.includes('from "storage"'))).toHaveLength(1)
    expect(told.slice(0, 5)).toMatchObject([
      [
        { kind: 'SNAPSHOT', cursor: 'start', storage: one.databaseId, run: { status: 'COMPLETED' } },
        { kind: 'SNAPSHOT', cursor: last, storage: two.databaseId, run: null },
      ],
      [{ kind: 'SNAPSHOT', cursor: last, storage: other.databaseId, run: null }],
      [{ kind: 'HEARTBEAT', cursor: last }],
      [{ kind: 'SNAPSHOT', cursor: last, storage: one.databaseId, run: { status: 'COMPLETED' } }],
      [{ kind: 'HEARTBEAT', cursor: last }],
    ])
    for (const [n, states] of told.slice(5).entries()) expect(states).toBe(told[n])
  })

  it('of runs are read once, too', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const run = numberOf((await sync(world.app, storage.id)).id)
    let told: Awaited<ReturnType<Snapshots['run']>>[] = []
    const statements = await statementsOf(async () => {
      told = await Promise.all([run, 999_999, run].map((id) => snapshots.run(id)))
    })
    expect(statements.filter((text) => text.includes('from "sync_run"'))).toHaveLength(1)
    expect(told).toMatchObject([{ run: { status: 'COMPLETED' } }, { run: null }, { run: { status: 'COMPLETED' } }])
  })
})
