import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { MikroORM } from '@mikro-orm/postgresql'
import { admin, databaseUrl } from '@sluice/testkit/postgres.ts'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { ormOptions } from '../src/database/open.ts'
import { entities } from '../src/entities/index.ts'
import { StorageEntity } from '../src/entities/storage.ts'
import { TaskEntity } from '../src/entities/task.ts'
import { readRows } from '../src/read-rows.ts'
import { fillTables, parseTables } from './database/recorded-tables.ts'

// The newest database that was recorded with rows.
const recorded = '0022-storage-limits'

describe('readRows', () => {
  const database = `rows_${randomBytes(6).toString('hex')}`
  let orm: MikroORM
  beforeAll(async () => {
    await admin(inject('postgres'), `create database ${database}`)
    const url = databaseUrl(inject('postgres'), database)
    orm = await MikroORM.init({ ...ormOptions(url), logger: () => {} })
    await orm.migrator.up({ to: recorded })
    const tables = readFileSync(new URL(`database/tables/${recorded}.copy`, import.meta.url), 'utf8')
    await fillTables(url, parseTables(tables))
    await orm.migrator.up()
  })
  afterAll(async () => {
    await orm?.close(true)
    await admin(inject('postgres'), `drop database if exists ${database} with (force)`)
  })

  it.each(entities.map((entity) => [entity.name, entity] as const))(
    'reads %s with the values that entities have',
    async (name, entity) => {
      const rows = await readRows(orm.em, entity as never, {} as never)
      const found = await orm.em.fork().find(entity as never, {} as never)
      expect(rows).toEqual(found.map((one) => ({ ...(one as object) })))
      if (['Task', 'ImportLink', 'Storage', 'SyncRun', 'Annotation', 'Event'].includes(name))
        expect(rows).not.toEqual([])
    },
  )

  it('applies the default filters of an entity: a detached storage is not read', async () => {
    const before = await readRows(orm.em, StorageEntity, {})
    const { id } = before[0]!
    await orm.em.getConnection().execute('update storage set detached_at = now() where id = ?', [id])
    expect(await readRows(orm.em, StorageEntity, {})).toEqual(before.filter((storage) => storage.id !== id))
    expect(await readRows(orm.em, StorageEntity, { id })).toEqual([])
  })

  it('orders, limits and excludes as em.find does', async () => {
    const options = { orderBy: { id: 'desc' }, limit: 2, exclude: ['data', 'meta'] } as const
    const rows = await readRows(orm.em, TaskEntity, { $and: [{ id: { $gt: 0 } }, { project: [1] }] }, options as never)
    expect(rows.length).toBe(2)
    expect(rows[0]!.id).toBeGreaterThan(rows[1]!.id)
    expect(Object.keys(rows[0]!).toSorted()).toEqual(
      ['allowSkip', 'createdAt', 'id', 'innerId', 'project', 'updatedAt'].toSorted(),
    )
  })
})
