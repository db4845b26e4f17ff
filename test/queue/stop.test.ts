import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { createDatabase } from '@sluice/testkit/app.ts'
import { admin } from '@sluice/testkit/postgres.ts'
import { until } from '@sluice/testkit/sql.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { expect, inject, it, onTestFinished } from 'vitest'
import { connectionOf } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import { openQueue } from '../../src/queue/open.ts'
import { createPool, endPool } from '../../src/queue/postgres.ts'

/** A way to the PostgreSQL in `folder` that loses the goodbyes of its clients (message Terminate of its protocol). */
async function startDeafWay(folder: string) {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect(`${folder}/.s.PGSQL.5432`)
    sockets.push(client)
    client.on('error', () => {}).on('data', (data) => data.equals(Buffer.from('X\0\0\0\x04')) || upstream.write(data))
    upstream.pipe(client)
  })
  await waitFor(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const closed = () => Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')))
  return { port: (server.address() as AddressInfo).port, sockets, closed }
}

it('a stopped queue logs nothing when the database ends its connections first', async () => {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const { pathname, searchParams } = new URL(database.url)
  const name = pathname.slice(1)
  const way = await startDeafWay(searchParams.get('host')!)
  const [user, password] = [searchParams.get('user')!, searchParams.get('password')!]
  const log = new PassThrough({ encoding: 'utf8' })
  const queue = await openQueue(
    { connection: { host: '127.0.0.1', port: way.port, user, password, database: name } },
    createLogger('warn', log),
  )
  await queue.start()
  await queue.ping()
  await queue.stop()
  expect(way.sockets.length).toBeGreaterThan(0)
  await admin(inject('postgres'), `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
  await way.closed()
  expect(log.read()).toBeNull()
})

it('a closing pool lets a short query finish', async () => {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const pool = createPool(connectionOf(database.url), createLogger('silent'))
  const acquired = once(pool, 'acquire')
  const query = pool.query('select pg_sleep(0.2)')
  await acquired
  await Promise.all([endPool(pool), query])
})

it('a closing pool fails a query that takes too long', async () => {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const pool = createPool(connectionOf(database.url), createLogger('silent'))
  const acquired = once(pool, 'acquire')
  const query = expect(pool.query('select pg_sleep(60)')).rejects.toThrow('terminated')
  await acquired
  let hasEnded = false
  endPool(pool).then(() => {
    hasEnded = true
  })
  await query
  await until(() => hasEnded, { what: 'the pool to end' })
})

it('a pool closes although one connection is not released and another is still being opened', async () => {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const pool = createPool(connectionOf(database.url), createLogger('silent'))
  await pool.connect()
  const opening = pool.connect()
  let hasEnded = false
  endPool(pool).then(() => {
    hasEnded = true
  })
  await opening
  await until(() => hasEnded, { what: 'the pool to end' })
})
