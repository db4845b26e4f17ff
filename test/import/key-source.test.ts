import { describe, expect, it } from 'vitest'
import { createAdaptiveLimit } from '../../src/adaptive.ts'
import { SluiceError } from '../../src/errors.ts'
import { keySource } from '../../src/import/key-source.ts'
import type { Page } from '../../src/import/source.ts'
import type { Provider } from '../../src/providers/provider.ts'

const signal = new AbortController().signal
const found = { size: 1, etag: '"e"', lastModified: null }

/** The pages of `keys` from `cursor` on; `head` answers for the storage. */
async function pagesOf(
  keys: string[],
  {
    head = () => found,
    cursor = null,
    recursive = true,
  }: { head?: (key: string) => unknown; cursor?: string | null; recursive?: boolean } = {},
) {
  let listings = 0
  const provider = {
    head: async (key: string) => head(key),
    list: async () => {
      listings++
      return { objects: [], cursor: null }
    },
  } as unknown as Provider
  const sorted = keys.toSorted()
  const nextKeys = async (after: string | null) => sorted.filter((key) => after === null || key > after).slice(0, 500)
  const source = keySource({ nextKeys, provider, scope: { prefix: 'in/', recursive }, limit: createAdaptiveLimit(4) })
  const pages: Page[] = []
  for await (const page of source({ after: null, until: null, cursor, lastKey: null }, signal)) pages.push(page)
  return { pages, listings }
}

const fail = (error: unknown) => {
  throw error
}

describe('the source of keys', () => {
  it('looks up each key, and lists nothing while all exist', async () => {
    const { pages, listings } = await pagesOf(['in/b', 'in/a'])
    expect(pages).toMatchObject([{ objects: [{ key: 'in/a', ...found }, { key: 'in/b' }], cursor: null, range: null }])
    expect(listings).toBe(0)
  })

  it('returns pages of 500 keys, and continues at the cursor of a page', async () => {
    const keys = Array.from({ length: 1_001 }, (_, n) => `in/${String(n).padStart(4, '0')}`)
    const { pages } = await pagesOf(keys)
    expect(pages.map(({ objects, cursor }) => [objects.length, cursor])).toEqual([
      [500, 'in/0499'],
      [500, 'in/0999'],
      [1, null],
    ])
    const rest = await pagesOf(keys, { cursor: 'in/0999' })
    expect(rest.pages).toEqual(pages.slice(2))
  })

  it('does not look up keys outside the prefix, or below a folder if the storage is not recursive', async () => {
    const { pages } = await pagesOf(['in/a', 'in/sub/b', 'out/c'], { recursive: false })
    expect(pages).toMatchObject([{ objects: [{ key: 'in/a' }], outside: 2, absent: [] }])
  })

  it('reports keys without an object, and other errors as issues of the object, after it has listed the storage', async () => {
    const head = (key: string) =>
      key === 'in/a'
        ? fail(new SluiceError('OBJECT_MISSING'))
        : key === 'in/b'
          ? fail(new SluiceError('DENIED'))
          : found
    const { pages, listings } = await pagesOf(['in/a', 'in/b', 'in/c'], { head })
    expect(pages).toMatchObject([
      { absent: ['in/a'], objects: [{ key: 'in/b', fault: { code: 'DENIED' } }, { key: 'in/c' }] },
    ])
    expect(listings).toBe(1)
  })

  it('throws errors that are not of the storage', async () => {
    await expect(pagesOf(['in/a'], { head: () => fail(new TypeError('bug')) })).rejects.toThrow('bug')
  })
})
