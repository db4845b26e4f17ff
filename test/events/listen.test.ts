import { createDatabase } from '@sluice/testkit/app.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionOf, openDatabase } from '../../src/database/open.ts'
import { createEventHub } from '../../src/events/hub.ts'
import { createListener, type Listener } from '../../src/events/listen.ts'
import { createLogger } from '../../src/logger.ts'

const logger = createLogger('fatal')
let database: Awaited<ReturnType<typeof createDatabase>>
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database?.drop())

const tell = (channel: string) => query(database.url, 'select pg_notify($1, $2)', [channel, ''])
const sessions = async () =>
  (
    await query(
      database.url,
      `select pid from pg_stat_activity where datname = current_database() and application_name = 'sluice listener'`,
    )
  ).map(({ pid }) => Number(pid))

/** A listener to `one` and `two`, and how often each was heeded. */
async function listening(options?: { pingMs?: number }) {
  const listener: Listener = createListener(connectionOf(database.url), logger, options)
  const heeded = { one: 0, two: 0 }
  listener.on('one', () => heeded.one++)
  listener.on('two', () => heeded.two++)
  await listener.start()
  // That of a test before may still be on its way out.
  await until(async () => (await sessions()).length === 1)
  return { listener, heeded }
}

describe('a listener', () => {
  it('receives all channels on one connection, and first calls the handlers once', async () => {
    const { listener, heeded } = await listening()
    expect(listener.isListening).toBe(true)
    expect(heeded).toEqual({ one: 1, two: 1 })
    await tell('two')
    await until(() => heeded.two === 2)
    await tell('one')
    await until(() => heeded.one === 2)
    expect(heeded).toEqual({ one: 2, two: 2 })
    expect(await sessions()).toHaveLength(1)
    await listener.stop()
    await until(async () => (await sessions()).length === 0)
    expect(listener.isListening).toBe(false)
  })

  it('reconnects after its connection is cut, and then calls the handlers for missed notifications', async () => {
    const { listener, heeded } = await listening()
    const [session] = await sessions()
    await query(database.url, 'select pg_terminate_backend($1)', [session])
    await until(() => heeded.two === 2)
    expect(listener.isListening).toBe(true)
    expect(heeded).toEqual({ one: 2, two: 2 })
    await tell('one')
    await until(() => heeded.one === 3)
    await listener.stop()
  })

  it('reconnects when the database stops responding', async () => {
    const { listener, heeded } = await listening({ pingMs: 2_000 })
    const [session] = await sessions()
    process.kill(session!, 'SIGSTOP')
    try {
      await until(() => heeded.one === 2)
      expect(listener.isListening).toBe(true)
      await tell('one')
      await until(() => heeded.one === 3)
    } finally {
      process.kill(session!, 'SIGCONT')
    }
    await listener.stop()
  })

  it('does not replace a connection that responds', async () => {
    const { listener, heeded } = await listening({ pingMs: 2_000 })
    const [session] = await sessions()
    await until(async () => {
      const [row] = await query(database.url, 'select query from pg_stat_activity where pid = $1', [session])
      return row.query === 'select 1'
    })
    expect(await sessions()).toEqual([session])
    expect(heeded).toEqual({ one: 1, two: 1 })
    await listener.stop()
  })
})

describe('an event hub that starts', () => {
  it('is not delayed by events that arrive during its start', async () => {
    const orm = await openDatabase(database.url, logger)
    const listener = createListener(connectionOf(database.url), logger)
    const hub = createEventHub(listener, () => orm.em.fork(), logger)
    const heard = Promise.withResolvers<void>()
    listener.on('sluice_events', () => listener.isListening && told && heard.resolve())
    let told = false
    await listener.start()
    const started = orm.em.fork().transactional(async (tx) => {
      await tx.getConnection().execute('lock table event', [], 'run', tx.getTransactionContext())
      const start = hub.start()
      told = true
      await tell('sluice_events')
      await heard.promise
      return { start }
    })
    await (await started).start
    await hub.stop()
    await listener.stop()
    await orm.close(true)
  })
})
