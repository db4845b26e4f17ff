import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { diffPage } from '../../src/import/diff-page.ts'

describe('objects without links', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  async function importedPartly(range: { after: null; until: null } | null) {
    const { databaseId: id } = await world.storage({ objects: {} })
    const object = { key: 'a', size: 1, etag: null, lastModified: null }
    const found = await diffPage(
      world.app.orm.em.fork(),
      {
        storage: { id, changedPolicy: 'IGNORE', missingPolicy: 'FLAG', importMethod: 'TASKS', rowKey: null },
        run: { id: 1, firstLink: 0 },
        filter: () => null,
        scope: { prefix: '', recursive: true },
      },
      { objects: [object], cursor: null, range, waitedMs: 0, gaps: [] },
    )
    expect(found.toImport).toEqual([object])
    return found.states.has(object)
  }

  it('are certainly new in a leased range of keys', async () => {
    expect(await importedPartly({ after: null, until: null })).toBe(false)
  })

  it('are checked again at the write of an unordered listing, because two concurrent pages can contain a key', async () => {
    expect(await importedPartly(null)).toBe(true)
  })
})
