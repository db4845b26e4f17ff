import type { MikroORM } from '@mikro-orm/postgresql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entities } from '../src/entities/index.ts'
import { StorageEntity } from '../src/entities/storage.ts'
import { TaskEntity } from '../src/entities/task.ts'
import { readRows } from '../src/read-rows.ts'
import { openRecorded } from './database/recorded-tables.ts'

// The newest database that was recorded with rows.
const recorded = '0022-storage-limits'

describe('readRows', () => {
  let recordedDatabase: Awaited<ReturnType<typeof openRecorded>>
  let orm: MikroORM
  beforeAll(async () => {
    recordedDatabase = await openRecorded(recorded)
    orm = recordedDatabase.orm
    await orm.migrator.up()
  })
  afterAll(() => recordedDatabase?.drop())

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
