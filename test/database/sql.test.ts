import { createDatabase } from '@sluice/testkit/app.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import { execute } from '../../src/sql.ts'

let database: Awaited<ReturnType<typeof createDatabase>>
let opened: Awaited<ReturnType<typeof openDatabase>>
beforeAll(async () => {
  database = await createDatabase()
  opened = await openDatabase(database.url, createLogger('fatal'))
})
afterAll(async () => {
  await opened?.close()
  await database?.drop()
})
const em = () => opened.em.fork()

describe('a statement of the sql tag', () => {
  it('sends an array as one parameter, also an empty one', async () => {
    const lengths = (texts: string[]) => execute(em(), sql`select cardinality(${texts}::text[]) as n`)
    expect(await lengths(['a', `"b',{}`])).toEqual([{ n: 2 }])
    expect(await lengths([])).toEqual([{ n: 0 }])
    expect(sql`select ${['a', 'b']}::text[]`.compile(opened.em.getConnection().getClient()).parameters).toHaveLength(1)
  })

  it('sends null and undefined as null', async () => {
    expect(await execute(em(), sql`select ${null}::text as a, ${undefined}::bigint as b`)).toEqual([
      { a: null, b: null },
    ])
  })

  it('preserves the digits of a bigint, the time of a date and the bytes of a buffer', async () => {
    const date = new Date('2026-01-02T03:04:05.678Z')
    const rows = await execute(
      em(),
      sql`select ${2n ** 62n}::bigint as n, ${date}::timestamptz = '2026-01-02T03:04:05.678Z' as same,
        encode(${Buffer.from([0, 255])}::bytea, 'hex') as bytes`,
    )
    expect(rows).toEqual([{ n: String(2n ** 62n), same: true, bytes: '00ff' }])
  })

  it('numbers the parameters of nested fragments', async () => {
    const between = (low: number, high: number) => sql`n between ${low}::int and ${high}::int`
    const rows = await execute(
      em(),
      sql`select n from generate_series(${1}::int, ${9}::int) n where ${between(2, 4)} and n <> ${3}::int`,
    )
    expect(rows).toEqual([{ n: 2 }, { n: 4 }])
  })

  it('runs inside the transaction of its entity manager', async () => {
    const ended = em().transactional(async (tx) => {
      await execute(tx, sql`create table sql_tag_probe (id int)`)
      throw new Error('roll back')
    })
    await expect(ended).rejects.toThrow('roll back')
    expect(await execute(em(), sql`select to_regclass('sql_tag_probe') as name`)).toEqual([{ name: null }])
  })
})
