import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { createProject, startSync } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { type SeenEvent, storageEvents, subscribe, transports } from '@sluice/testkit/subscribe.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApiToken, revokeApiToken } from '../../src/access/tokens.ts'

let world: World
let busy: World
beforeAll(async () => {
  ;[world, busy] = await Promise.all([startWorld({ SUBSCRIPTION_HEARTBEAT: '0.1' }), startWorld()])
})
afterAll(() => Promise.all([world?.stop(), busy?.stop()]))

/** Someone with a token of their own. */
async function enter({ app }: World) {
  const { row, token } = await createApiToken(app.orm.em, 'guest')
  const client: GraphqlClient = createClient(app.url, token)
  return { ...client, url: app.url, token, revoke: () => revokeApiToken(app.orm.em, row.id) }
}

/** Reads on; what was told until the stream ended, and the code of the fault that ended it. */
async function toItsEnd(stream: AsyncGenerator<SeenEvent>) {
  const seen: SeenEvent[] = []
  try {
    for await (const event of stream) seen.push(event)
    return { seen }
  } catch (error) {
    return { seen, code: (error as { errors?: { extensions: { code: string } }[] }).errors?.[0]?.extensions.code }
  }
}

describe.each(transports)('an idle subscription over %s', (transport) => {
  it('sends heartbeats with the cursor at which to continue', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const stream = storageEvents(world.app, transport, { storageId: storage.id })
    const present = (await stream.next()).value as SeenEvent
    expect((await stream.next()).value).toMatchObject({ type: 'Heartbeat', cursor: present.cursor })
    await stream.return(undefined)
  })

  it('ends when the token is revoked', async () => {
    const storage = await world.storage({ objects: {} })
    const guest = await enter(world)
    const stream = storageEvents(guest, transport, { storageId: storage.id })
    await stream.next()
    await guest.revoke()
    expect(await toItsEnd(stream)).toMatchObject({ code: 'UNAUTHENTICATED' })
    await guest.close()
  })

  it('ends when its storage or project is deleted', async () => {
    const project = await createProject(world.app)
    const storage = await world.storage({ project, objects: {} })
    const ofStorage = storageEvents(world.app, transport, { storageId: storage.id })
    const ofProject = storageEvents(world.app, transport, { projectId: project })
    await ofStorage.next()
    await ofProject.next()
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id: storage.id })
    expect(await toItsEnd(ofStorage)).toMatchObject({ code: 'NOT_FOUND' })
    await world.app.request('mutation ($id: ID!) { deleteProject(id: $id) { __typename } }', { id: project })
    expect(await toItsEnd(ofProject)).toMatchObject({ code: 'NOT_FOUND' })
    await until(() => world.app.events.size === 2)
  })
})

describe.each(transports)('a subscription over %s with a revoked token', (transport) => {
  it('does not receive the next event, and other subscriptions do', async () => {
    const storage = await busy.storage({ objects: { a: '' } })
    const guest = await enter(busy)
    const stream = storageEvents(guest, transport, { storageId: storage.id })
    const others = storageEvents(busy.app, transport, { storageId: storage.id })
    await stream.next()
    await others.next()
    await guest.revoke()
    await startSync(busy.app, storage.id)
    expect(await toItsEnd(stream)).toEqual({ seen: [], code: 'UNAUTHENTICATED' })
    expect((await others.next()).value).toMatchObject({ kind: 'STATUS', run: { status: 'QUEUED' } })
    await others.return(undefined)
    await guest.close()
  })

  it('does not receive the next state of a run', async () => {
    const storage = await busy.storage({ objects: { a: '' } })
    const held = busy.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const runId = await startSync(busy.app, storage.id)
    await held.met
    const guest = await enter(busy)
    const query = 'subscription ($runId: ID!) { syncRunChanged(runId: $runId) { status } }'
    const stream = subscribe(guest, transport, query, { runId })
    expect((await stream.next()).value).toEqual({ syncRunChanged: { status: 'IN_PROGRESS' } })
    await guest.revoke()
    held.release()
    expect(await toItsEnd(stream)).toEqual({ seen: [], code: 'UNAUTHENTICATED' })
    await guest.close()
  })
})
