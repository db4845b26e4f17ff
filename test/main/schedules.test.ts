import { query, until } from '@sluice/testkit/sql.ts'
import { expect, it } from 'vitest'
import { startFleet } from './fleet-world.ts'

/** Notes each time that a schedule was followed: which, when, what run came of it, and when the next is. */
const noteTicks = `
  create table noted_tick (due timestamptz, followed_at timestamptz, run bigint, next timestamptz);
  create function note_tick() returns trigger language plpgsql as $$ begin
    insert into noted_tick values (
      old.next_run_at, now(), case when new.last_run is distinct from old.last_run then new.last_run end, new.next_run_at);
    return null;
  end $$;
  create trigger note_tick after update of next_run_at on sync_schedule for each row execute function note_tick()`

it('several workers start one sync for each tick of a schedule, and one for all ticks that were missed while all were down', async () => {
  const { start, storage, databaseUrl } = await startFleet()
  const sql = (text: string) => query(databaseUrl, text)
  const api = await start('api', { SLUICE_ROLES: 'api', SCHEDULE_MIN_INTERVAL: '1' })
  const { id } = await storage(api.client, 'files', 1)
  await sql(noteTicks)
  const twoWorkers = () =>
    Promise.all(
      ['first', 'second'].map((name) => start(name, { SLUICE_ROLES: 'worker', STORAGE_IN_PROGRESS_TIMER: '0.5' })),
    )
  const ticks = (count: number) =>
    until(async () => {
      const noted = await sql('select * from noted_tick order by followed_at')
      return noted.length >= count ? noted : undefined
    })
  let workers = await twoWorkers()
  await api.client.request(`mutation ($input: ScheduleSyncInput!) { scheduleSync(input: $input) { __typename } }`, {
    input: { storageId: id, cron: '* * * * * *' },
  })
  await ticks(4)

  for (const worker of workers) await worker.end('SIGKILL')
  await until(async () => (await sql(`select from sync_schedule where next_run_at < now() - interval '4 s'`)).length)
  const before = await ticks(4)
  const underWay = await sql('select from sync_run where finished_at is null')
  workers = await twoWorkers()
  const all = await ticks(before.length + 3)
  for (const worker of workers) expect((await worker.end('SIGTERM')).code).toBe(0)

  // The first of the missed ones stands for all: the next comes behind the time when it was followed.
  const missed = all[before.length]
  expect(missed.due).toEqual(before.at(-1).next)
  expect(missed.next - missed.due).toBeGreaterThan(4_000)
  expect(missed.run === null).toBe(underWay.length > 0)

  const followed = await sql('select * from noted_tick order by due')
  for (const { due, followed_at, next } of followed) expect(due <= followed_at && due < next).toBe(true)
  expect(new Set(followed.map(({ due }) => due.getTime())).size).toBe(followed.length)
  // No run but those that came of a tick, each of one.
  const runs = followed.flatMap(({ run }) => (run === null ? [] : [run]))
  expect(runs.length).toBeGreaterThan(3)
  expect(await sql('select id from sync_run order by id')).toEqual(runs.map((run) => ({ id: run })))
})
