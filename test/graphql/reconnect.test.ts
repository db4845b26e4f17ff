import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { type SeenEvent, storageEvents, transports } from '@sluice/testkit/subscribe.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const connections = 100

describe('a subscriber that reconnects at random, to two servers and over both transports', () => {
  let world: World
  let other: TestApp
  beforeAll(async () => {
    world = await startWorld({ LIST_CONCURRENCY: '1' }, 10)
    other = await startTestApp({ LIST_CONCURRENCY: '1' }, { url: world.app.databaseUrl })
  })
  afterAll(async () => {
    await other?.stop()
    await world?.stop()
  })
  const sql = (text: string, params: unknown[] = []) => query(world.app.databaseUrl, text, params)

  it.for([11, 12, 13])('sees every status once and in order, and the final state (seed %i)', async (seed) => {
    const apps = [world.app, other]
    const dice = createDice(seed)
    const project = await createProject(world.app)
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 400 })
    const long = await world.storage({ project, bucket })
    const short = [
      await world.storage({ project, objects: { a: '' } }),
      await world.storage({ project, objects: { b: '' } }),
    ]

    // One sync that lasts as long as the subscriber reconnects, its pages let through one by one, and beside it many short ones.
    const holdPage = () => world.front.fail({ hold: true, match: (request) => request.bucket === bucket })
    let held = holdPage()
    const longRun = await startSync(world.app, long.id)
    let going = true
    const drive = async () => {
      for (let n = 0; going; n++) {
        await sync(apps[n % 2]!, short[n % 3 === 0 ? 0 : 1]!.id)
        const next = holdPage()
        held.release()
        held = next
      }
      held.release()
    }
    const driven = drive()

    const seen: SeenEvent[] = []
    const last = () => seen.at(-1)?.cursor
    const connect = async (isEnough: () => boolean) => {
      const after = last()
      const stream = storageEvents(apps[dice(2)]!, transports[dice(2)]!, {
        projectId: project,
        ...(after !== undefined && { after }),
      })
      if (isEnough()) {
        // Closed before the first message has come.
        const first = stream.next()
        await stream.return(undefined)
        const { value } = await first
        if (value) seen.push(value)
        return
      }
      for await (const event of stream) {
        seen.push(event)
        if (isEnough()) break
      }
    }
    try {
      for (let n = 0; n < connections; n++) {
        let wanted = dice(5)
        await connect(() => wanted-- <= 0)
      }
    } finally {
      going = false
    }
    await driven
    expect(await finished(world.app, longRun)).toMatchObject({ status: 'COMPLETED' })
    const [{ end }] = await sql('select max(id)::text as end from event where project = $1', [numberOf(project)])
    await connect(() => Number(last()) >= Number(end))

    const present = seen.findLastIndex(({ kind }) => kind === 'SNAPSHOT')
    const log = await sql(
      `select id::text from event where project = $1 and id > $2 and kind = 'STATUS' order by event.id`,
      [numberOf(project), seen[present]!.cursor],
    )
    const told = seen.slice(present + 1).filter(({ kind }) => kind !== undefined)
    expect(told.filter(({ kind }) => kind === 'STATUS').map(({ cursor }) => cursor)).toEqual(log.map(({ id }) => id))
    expect(log.length).toBeGreaterThan(30)
    const cursors = told.map(({ cursor }) => Number(cursor))
    expect(cursors).toEqual([...new Set(cursors)].sort((a, b) => a - b))
    expect(seen.some(({ type }) => type === 'Lagged')).toBe(false)
    const final = told.findLast(({ storage }) => storage?.id === long.id)
    expect(final).toMatchObject({
      kind: 'STATUS',
      run: { status: 'COMPLETED', counters: { listed: 400, created: 400 } },
    })
  })
})

/** Whole numbers from 0 to below `sides`, the same for the same seed (Lehmer's generator, as in C++'s minstd_rand). */
function createDice(seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state = (state * 48_271) % 2_147_483_647
    return state % sides
  }
}
