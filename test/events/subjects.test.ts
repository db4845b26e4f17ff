import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Subject, subjectTypes } from '../../src/entities/event.ts'
import { type EventFilter, pruneEvents, readEvents, recordEvent, retention } from '../../src/events/log.ts'

let app: TestApp
const sql = (text: string, params: unknown[] = []) => query(app.databaseUrl, text, params)
const read = (after: number, filter: EventFilter) => readEvents(app.orm.em.fork(), after, filter)
const record = (subject: Subject, kind: 'STATUS' | 'PROGRESS' = 'STATUS') =>
  app.orm.em.fork().transactional((tx) => recordEvent(tx, kind, subject))
const idsOf = (events: { id: number }[]) => events.map(({ id }) => id)

/** A project with one object of each type of subject, all with the id of the project. */
async function createAll(id: number): Promise<void> {
  await sql(`insert into project (id, title, media_key) values (${id}, 'Test', 'secret')`)
  await sql(
    `insert into storage (id, project_id, direction, provider, location, secrets, fingerprint)
     values (${id}, ${id}, 'EXPORT', 'S3', '{}', 'secret', '${id}')`,
  )
  await sql(`insert into sync_run (id, storage_id, status) values (${id}, ${id}, 'COMPLETED')`)
  await sql(`insert into task (id, project_id, inner_id, data) values (${id}, ${id}, 1, '{"text": "secret"}')`)
  await sql(`insert into annotation (id, task_id, result) values (${id}, ${id}, '["secret"]')`)
  await sql(
    `insert into webhook (id, project_id, url, secret, actions, active)
     values (${id}, ${id}, 'http://example.com/secret', 'secret', '{}', false)`,
  )
}

beforeAll(async () => {
  app = await startTestApp()
  await createAll(71)
  await createAll(72)
})
afterAll(() => app?.stop())
beforeEach(() => sql('truncate event restart identity'))

describe('an event', () => {
  it.each(subjectTypes)(
    'about a subject of type %s has its project, its storage and its state without secrets',
    async (type) => {
      await record({ type, id: 71 })
      const events = await read(0, {})
      expect(events).toMatchObject([
        { id: 1, kind: 'STATUS', project: 71, subject: { type, id: 71 }, payload: expect.any(Object) },
      ])
      expect(events[0]!.storage).toBe(type === 'RUN' || type === 'STORAGE' ? 71 : null)
      expect(JSON.stringify(events[0]!.payload)).not.toContain('secret')
    },
  )

  it('about a subject that does not exist is not written', async () => {
    await record({ type: 'TASK', id: 1_000 })
    expect(await read(0, {})).toEqual([])
  })
})

describe('a reader of the event log', () => {
  it('finds the events of one subject, of one type, and of one project, among subjects with the same id', async () => {
    for (const id of [71, 72]) for (const type of subjectTypes) await record({ type, id })
    expect(idsOf(await read(0, { subject: { type: 'TASK', id: 72 } }))).toEqual([10])
    expect(idsOf(await read(0, { subject: { type: 'TASK' } }))).toEqual([4, 10])
    expect(idsOf(await read(0, { project: 71 }))).toEqual([1, 2, 3, 4, 5, 6])
    expect(idsOf(await read(0, { project: 71, subject: { type: 'TASK', id: 72 } }))).toEqual([])
    expect(idsOf(await read(0, { storage: 72 }))).toEqual([7, 8])
  })

  it('continues the events of a subject after a cursor', async () => {
    for (let n = 0; n < 3; n++) for (const id of [71, 72]) await record({ type: 'STORAGE', id })
    expect(idsOf(await read(1, { subject: { type: 'STORAGE', id: 71 } }))).toEqual([3, 5])
    expect(idsOf(await read(5, { subject: { type: 'STORAGE', id: 71 } }))).toEqual([])
  })

  it('takes the run of an event for its subject, when a version before subjects wrote it', async () => {
    // The statement of that version.
    await sql(
      `insert into event (kind, project, storage, run, payload)
       select 'STATUS', s.project_id, s.id, r.id, to_jsonb(r)
       from sync_run r join storage s on s.id = r.storage_id where r.id = 71`,
    )
    const [event] = await read(0, { project: 71, subject: { type: 'RUN', id: 71 } })
    expect(event).toMatchObject({ id: 1, storage: 71, subject: { type: 'RUN', id: 71 } })
    expect(await read(0, { subject: { type: 'RUN', id: 72 } })).toEqual([])
  })

  it('finds what it needs in an event about a run, when it is of the version before subjects', async () => {
    await record({ type: 'RUN', id: 71 })
    const [event] = await sql('select project, storage, run, payload from event')
    expect(event).toMatchObject({ project: '71', storage: '71', run: '71', payload: { id: 71, status: 'COMPLETED' } })
  })
})

describe('old progress', () => {
  it('is deleted only when a later event of the same subject replaces it', async () => {
    for (const type of ['RUN', 'TASK', 'RUN'] as const) await record({ type, id: 71 }, 'PROGRESS')
    await sql(`insert into event (kind, project, storage, run, payload) values ('PROGRESS', 72, 72, 72, '{}')`)
    await record({ type: 'RUN', id: 72 }, 'PROGRESS')
    await sql(`update event set created_at = now() - interval '20 minutes'`)
    await pruneEvents(app.orm.em.fork(), retention)
    expect(idsOf(await read(0, {}))).toEqual([2, 3, 5])
  })
})
