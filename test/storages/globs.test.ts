import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ValidationError } from '../../src/errors.ts'
import { createObjectFilter } from '../../src/storages/object-filter.ts'
import { keys, patterns } from './glob-table.ts'
import recorded from './globs.json' with { type: 'json' }

const object = (key: string) => ({ key, size: 1, etag: null, lastModified: null })
const filterOf = (include: string) => createObjectFilter({ regexFilter: null, filters: { include: [include] } })
const fault = (include: string): string | undefined => {
  try {
    filterOf(include)
  } catch (error) {
    return (error as ValidationError).fieldErrors[0]!.message
  }
}

describe('globs', () => {
  it('match what bash matches', () => {
    const expected = recorded as Record<string, string[]>
    expect(Object.keys(expected)).toEqual([...new Set(patterns)])
    const supported = patterns.filter((pattern) => !fault(pattern)?.includes('comma list'))
    const ours = Object.fromEntries(
      supported.map((pattern) => [pattern, keys.filter((key) => filterOf(pattern)(object(key)) === null)]),
    )
    expect(ours).toEqual(Object.fromEntries(supported.map((pattern) => [pattern, expected[pattern]])))
    expect(supported.length).toBeGreaterThan(180)
  })

  it.each([
    ['!*.jpg', '!'],
    ['!a', '!'],
    ['{!a,b}', '!'],
    ['+(a|b)', '+(…)'],
    ['*.+(jpg|png)', '+(…)'],
    ['?(a)', '?(…)'],
    ['**/*(a).jpg', '*(…)'],
    ['@(a|b)', '@(…)'],
    ['!(a)', '!(…)'],
    ['img/!(a)', '!(…)'],
    ['{x,@(a|b)}', '@(…)'],
    ['*.jpg,*.png', 'comma list'],
    ['a.jpg, b.jpg', 'comma list'],
    ['*.{jpg,png},*.gif', 'comma list'],
    ['{a,b', 'comma list'],
    ['*.jpg|*.png', '"|"'],
    ['(a|b)', '"|"'],
    ['{jpg|png}', '"|"'],
    ['*.jpg;*.png', '";"'],
    ['*.jpg\n*.png', String.raw`"\n"`],
    ['[[.a.]]', '[.a.]'],
    ['[[=a=]]', '[=a=]'],
    ['[[:letters:]]', '[:letters:]'],
    ['[z-a]', 'z-a'],
  ])('with syntax of other tools are refused: %j, and the message names %s', (glob, name) => {
    expect(fault(glob)).toContain(name)
  })

  it.each([
    [String.raw`\!a`, '!a'],
    ['a!', 'a!'],
    ['[!]a', '[!]a'],
    [String.raw`a+\(b)`, 'a+(b)'],
    ['a (1).jpg', 'a (1).jpg'],
    ['[+](b)', '+(b)'],
    [String.raw`Miller\, Ann/*`, 'Miller, Ann/a'],
    ['Miller[,] Ann/*', 'Miller, Ann/a'],
    [String.raw`a\|b`, 'a|b'],
    ['a[|]b', 'a|b'],
    ['$a.^(b)=', '$a.^(b)='],
    [String.raw`a\.b\d`, 'a.bd'],
    ['a\\', 'a\\'],
  ])('match special characters that are escaped or have no meaning: %j matches %j', (glob, key) => {
    expect(filterOf(glob)(object(key))).toBeNull()
    expect(filterOf(glob)(object(`${key}x/y`))).toBe('INCLUDE')
  })

  it('do not treat the characters of keys as folders', () => {
    expect(filterOf('a//*')(object('a//b'))).toBeNull()
    expect(filterOf('**/b')(object('a//b'))).toBeNull()
    expect(filterOf('*/b')(object('/b'))).toBeNull()
    expect(filterOf('a/**')(object('a/'))).toBeNull()
    expect(filterOf('a/*')(object('ab'))).toBe('INCLUDE')
  })

  it.each([
    ['many braces', '{a,b}'.repeat(200)],
    ['many braces, some empty', '{a,b}{,c}'.repeat(100)],
    ['many stars in braces', '{*,b}'.repeat(200)],
    ['many stars and letters in braces', '{*a,*b}'.repeat(60)],
    ['many classes in braces', '{[a],b}'.repeat(140)],
    ['a large range', '{1..1000000}'],
    ['many large ranges', '{1..1000000}'.repeat(80)],
    ['a large range with steps', '{1..1000000..2}'],
    ['a large range beside **', '**{1..1000000}'],
    ['a range with many digits', '{1..99999999999999999}'],
    ['nested braces', `${'{a,'.repeat(300)}${'}'.repeat(300)}`],
    ['opening braces', '{'.repeat(1_000)],
    ['nested braces without a comma', `${'{'.repeat(500)}${'}'.repeat(500)}`],
    ['nested braces of two kinds', `${'{a,{b,'.repeat(60)}${'}'.repeat(120)}`],
    ['opening brackets', '['.repeat(1_000)],
    ['opening brackets of named classes', '[[:'.repeat(330)],
    ['named classes in brackets that do not end', '[[:a:]'.repeat(160)],
    ['opening brackets in many patterns', `${'{*,b}'.repeat(8)}${'['.repeat(900)}/]`],
    ['opening named classes in many patterns', `${'{*,b}'.repeat(8)}${'[[:'.repeat(300)}/]`],
    ['opening brackets before braces', `${'['.repeat(900)}{a,b}]`],
    ['many stars', '*a'.repeat(500)],
    ['many folders', '**/'.repeat(300)],
    ['many question marks', '?'.repeat(1_000)],
  ])('are compiled or refused within moments: %s', (_what, glob) => {
    const before = process.memoryUsage.rss()
    const { user } = process.cpuUsage()
    if (fault(glob) === undefined) filterOf(glob)(object('a'.repeat(1_000)))
    expect((process.cpuUsage().user - user) / 1_000).toBeLessThan(1_000)
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20)
  })

  it.each([
    ['{1..1000000}', '999999', true],
    ['{1..1000000}', '1000001', false],
    ['{000001..250000}', '004711', true],
    ['{000001..250000}', '4711', false],
    ['{2019..2026}/{01..12}/{01..31}/**/*.{jpg,jpeg,png}', '2024/02/31/x/a.png', true],
    ['{2019..2026}/{01..12}/{01..31}/**/*.{jpg,jpeg,png}', '2024/13/01/a.png', false],
    ['{a,b}{c,d}{e,f}{g,h}{i,j}{k,l}{m,n}{o,p}{q,r}{s,t}', 'bcfgjkmprs', true],
  ])('with large sets are small: %j on %j is %s', (glob, key, matches) => {
    expect(filterOf(glob)(object(key)) === null).toBe(matches)
  })

  it('take time linear in the key', () => {
    for (const glob of ['*a*a*a*a*a*b', '**/a/**/a/**/a/**/b', '{*a,*b}{*a,*b}*c']) {
      expect(filterOf(glob)(object('a/'.repeat(1_200)))).toBe('INCLUDE')
    }
  })
})

describe('stored globs with syntax of other tools', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  it('match nothing, do not prevent changes of other settings, and are named by a check', async () => {
    const { id, databaseId } = await world.storage({ objects: { 'a.jpg': 'x', 'b.png': 'x' } })
    const stored = { include: ['*.jpg,*.png', '+(a|b)*', '!b.png'], exclude: ['!c'] }
    await query(world.app.databaseUrl, 'update storage set filters = $1 where id = $2', [stored, databaseId])
    const update = `mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) {
      __typename ... on ValidationError { fieldErrors { path message } } } }`
    const renamed = await world.app.request(update, { input: { id, title: 'Renamed' } })
    expect(renamed.updateImportStorage.__typename).toBe('UpdateImportStorageSuccess')
    const checked = await world.app.request(
      `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) { ... on CheckStorageSuccess { check { ok steps { name hint } } } } }`,
      { input: { id } },
    )
    const { ok, steps } = checked.checkStorage.check
    const hint: string = steps.find(({ name }: { name: string }) => name === 'CONFIGURATION').hint
    expect(ok).toBe(true)
    for (const path of ['include.0', 'include.1', 'include.2', 'exclude.0']) expect(hint).toContain(`filters.${path}`)
    const preview = await world.app.request(
      `query ($input: PreviewObjectsInput!) { previewObjects(input: $input) { objects { rule } } }`,
      { input: { id } },
    )
    expect(preview.previewObjects.objects).toEqual([{ rule: 'INCLUDE' }, { rule: 'INCLUDE' }])
    const again = await world.app.request(update, { input: { id, filters: stored } })
    expect(again.updateImportStorage.fieldErrors.map(({ path }: { path: string }) => path)).toEqual([
      'input.filters.include.0',
      'input.filters.include.1',
      'input.filters.include.2',
      'input.filters.exclude.0',
    ])
  })
})
