import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ValidationError } from '../../src/errors.ts'
import { createObjectFilter } from '../../src/storages/object-filter.ts'

const object = (key: string) => ({ key, size: key.endsWith('/') ? 0 : 1, etag: null, lastModified: null })
type FilterSettings = Parameters<typeof createObjectFilter>[0]

const faultsOf = (settings: Partial<FilterSettings>) => {
  try {
    createObjectFilter({ regexFilter: null, filters: null, ...settings })
    return []
  } catch (error) {
    return (error as ValidationError).fieldErrors
  }
}

/** The largest pattern of its kind that is accepted, and that matches slowly. */
const slow = { regexFilter: 'a?'.repeat(160) + 'a'.repeat(160), filters: null }

describe('limits of patterns', () => {
  it.each<[string, Partial<FilterSettings>, string, RegExp]>([
    ['a text of 15 kB', { regexFilter: '(a|b)*'.repeat(2_500) }, 'regexFilter', /15000 characters; the limit is 1000/],
    [
      'a?×300 + a×300',
      { regexFilter: 'a?'.repeat(300) + 'a'.repeat(300) },
      'regexFilter',
      /902 instructions; the limit is 500/,
    ],
    ['nested repetition', { regexFilter: '((a{30}){30})' }, 'regexFilter', /964 instructions; the limit is 500/],
    [
      'nested repetition that the engine refuses',
      { regexFilter: '((a{100}){100}){100}' },
      'regexFilter',
      /invalid repeat count/,
    ],
    [
      'many repetitions',
      { regexFilter: '(a{30}){30}'.repeat(90) },
      'regexFilter',
      /repeats 5400 times in all; the limit is 1000/,
    ],
    ['a long glob', { filters: { include: ['*'.repeat(2_000)] } }, 'filters.include.0', /2000 characters/],
    [
      'a large glob',
      { filters: { exclude: ['x', '*a'.repeat(400)] } },
      'filters.exclude.1',
      /instructions; the limit is 500/,
    ],
    [
      'too many globs',
      { filters: { include: Array(101).fill('a') } },
      'filters.include',
      /101 patterns; the limit is 100/,
    ],
  ])('%s is refused, and the error states size and limit', (_what, settings, path, message) => {
    expect(faultsOf(settings)).toEqual([{ path, message: expect.stringMatching(message) }])
  })

  it.each<[string, Partial<FilterSettings>]>([
    ['a usual regular expression', { regexFilter: '^(raw|clean)/\\d{4}-\\d{2}/[\\w-]{36}\\.(jpe?g|png|tiff?)$' }],
    ['a hash', { regexFilter: '[0-9a-f]{64}' }],
    ['an escaped brace', { regexFilter: 'a\\{1000000\\}' }],
    ['100 usual globs', { filters: { exclude: Array.from({ length: 100 }, (_, n) => `**/batch-${n}/*.{tmp,part}`) } }],
  ])('%s is accepted', (_what, settings) => {
    expect(faultsOf(settings)).toEqual([])
  })

  it('a key longer than a link can store is not matched, so that it becomes an issue', () => {
    expect(createObjectFilter(slow)(object('b'.repeat(3_000)))).toBeNull()
  })
})

describe('matching many keys with a slow pattern', () => {
  it('gives way to timers and requests', async () => {
    const filter = createObjectFilter(slow)
    const keys = Array.from({ length: 300 }, (_, n) => object(`${'a'.repeat(1_000)}${n}`))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    let turns = 0
    let timer = setImmediate(count)
    function count() {
      turns++
      timer = setImmediate(count)
    }
    const rules = await Promise.all([filter.all(keys), filter.all(keys), filter.all(keys)])
    clearImmediate(timer)
    delay.disable()
    expect(rules).toEqual(Array(3).fill(Array(300).fill(null)))
    expect(turns).toBeGreaterThan(50)
    // One key takes some milliseconds; all of them, seconds.
    expect(delay.max / 1e6).toBeLessThan(500)
  })

  it('decides as for a single key', async () => {
    const filter = createObjectFilter({
      regexFilter: 'a',
      filters: { include: ['a*', 'ab/**'], exclude: ['a1', 'ab/x'], minBytes: 1, maxBytes: 1 },
    })
    const keys = ['a', 'a1', 'b', 'a/', 'a/b', 'ab/x', 'ab/y', 'a2'].map(object)
    const rules = await filter.all(keys)
    expect(rules).toEqual(keys.map((key) => filter(key)))
    expect(rules).toEqual([null, 'EXCLUDE', 'REGEX', 'FOLDER_MARKER', 'INCLUDE', 'EXCLUDE', null, null])
  })
})

describe('a pattern that is too large', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('is a field error on save, in a check and in a preview', async () => {
    const projectId = await createProject(world.app)
    const location = world.location(await world.bucket({ a: 'x' }))
    const input = { projectId, location, regexFilter: 'a?'.repeat(7_500) }
    const fault = { path: 'input.regexFilter', message: expect.stringContaining('15000 characters') }
    expect(await createStorage(world.app, input)).toMatchObject({ __typename: 'ValidationError', fieldErrors: [fault] })
    const { checkStorage } = await world.app.request(
      `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) { ... on ValidationError { fieldErrors { path message } } } }`,
      { input },
    )
    expect(checkStorage.fieldErrors).toEqual([fault])
    const preview = world.app.request(
      `query ($input: PreviewObjectsInput!) { previewObjects(input: $input) { isComplete } }`,
      { input },
    )
    await expect(preview).rejects.toMatchObject({
      errors: [{ extensions: { code: 'VALIDATION', fieldErrors: [fault] } }],
    })
  })
})
