import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { dialectIn, dialectInIdentifiers, dialectInTestNames } from './dialect.ts'

const files = [
  'schema.graphql',
  'README.md',
  'SECURITY.md',
  ...readdirSync(new URL('../../docs', import.meta.url))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

describe('public texts', () => {
  it.each(files)('%s uses the terms of the field instead of the former dialect', (file) => {
    expect(dialectIn(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))).toEqual([])
  })
})

const root = new URL('../../', import.meta.url)
const filesIn = (folder: string, ending: string) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('migrations/'))
    .map((name) => `${folder}/${name}`)

describe('test names', () => {
  it('state the behaviour in the terms of the field', () => {
    const found = filesIn('test', '.test.ts')
      .filter((file) => file !== 'test/docs/dialect.test.ts')
      .flatMap((file) =>
        dialectInTestNames(readFileSync(new URL(file, root), 'utf8')).map((name) => `${file}: ${name}`),
      )
    expect(found).toEqual([])
  })

  it('of it.each and describe are found, other texts are not', () => {
    const source = [
      "describe('a door', () => {",
      "it.each([f(1)])('is told', async () => {",
      "call('is told')",
      "it('is fine', { timeout: 1 }, () => {",
    ].join('\n')
    expect(dialectInTestNames(source)).toEqual(['"a door"', '"is told"'])
  })
})

describe('identifiers of src', () => {
  it('are terms of the field', () => {
    const found = filesIn('src', '.ts').flatMap((file) =>
      dialectInIdentifiers(readFileSync(new URL(file, root), 'utf8')).map((name) => `${file}: ${name}`),
    )
    expect(found).toEqual([])
  })

  it.each(['const diskFullWords = 1', 'interface Door {', '  giveBack(): void', '  readonly #lender: Lender'])(
    'do not include that of "%s"',
    (source) => expect(dialectInIdentifiers(source)).toHaveLength(1),
  )

  it.each(['const keptrunning = 1', 'const text = "a door"', '// the door', 'interface Indoor {'])(
    'can include those of "%s"',
    (source) => expect(dialectInIdentifiers(source)).toEqual([]),
  )
})

describe('dialectIn', () => {
  it.each([
    ['What a webhook can be told of.', 'be told'],
    ['Only what stands behind this cursor.', 'behind'],
    ['The brake: null = there is none.', 'brake'],
    ['The brake: null = there is none.', 'is none'],
    ['How the bytes behind a URI are had.', 'are had'],
    ['Up to so many seconds later.', 'so many s'],
    ['The same in words.', 'in words'],
    ['The buffer is given back.', 'given back'],
    ['A pooler that lends connections.', 'lends'],
    ['A sync that is under way goes on.', 'under way'],
    ['The log is kept for a day.', 'is kept'],
    ['The log is\nkept for a day.', 'is kept'],
  ])('finds the dialect in "%s"', (text, phrase) => {
    expect(dialectIn(`First line.\n${text}`).join('\n')).toContain(`line 2: "${phrase}"`)
  })

  it.each([
    'Behind a reverse proxy, set PUBLIC_URL.',
    'A server behind a proxy.',
    'Set `brake` and `told`.',
    'One task, taken alone.',
  ])('accepts "%s"', (text) => expect(dialectIn(text)).toEqual([]))
})
