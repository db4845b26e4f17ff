import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeKeyPath, encodeKeyPath, folderOfKey } from '../../src/resolve/key-path.ts'

const base = 'https://links.example/projects/1/files/token/2/'
/** The part of a URL that the server decodes. */
const pathOf = (url: string) => url.slice(base.length)

const segment = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }),
    fc
      .array(
        fc.constantFrom('.', '..', '%', '%2e', '%2f', '%5c', '\\', '?', '#', ' ', '+', 'ä', '🎬', '\t', '\n', ':', 'a'),
        {
          minLength: 1,
          maxLength: 4,
        },
      )
      .map((parts) => parts.join('')),
  )
  .filter((text) => !text.includes('/'))
const key = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join('/'))

describe('the key of a file in the path of a URL', () => {
  it('is decoded into exactly the same key, after a browser has parsed the URL', () => {
    let linked = 0
    fc.assert(
      fc.property(key, (name) => {
        const path = encodeKeyPath(name)
        if (path === undefined) return
        linked++
        expect(decodeKeyPath(pathOf(new URL(base + path).href))).toBe(name)
      }),
      { numRuns: 2_000 },
    )
    expect(linked).toBeGreaterThan(500)
  })

  it('leads from a file to each neighbour by its encoded relative name, and to no other key', () => {
    let reached = 0
    fc.assert(
      fc.property(key, fc.array(segment, { minLength: 1, maxLength: 3 }), (name, segments) => {
        const path = encodeKeyPath(name)
        if (path === undefined) return
        const neighbour = folderOfKey(name) + segments.join('/')
        // "./" so that a colon in the name is no scheme.
        const url = new URL(`./${segments.map((one) => encodeURIComponent(one.toWellFormed())).join('/')}`, base + path)
        const decoded = url.href.startsWith(base) ? decodeKeyPath(pathOf(url.href)) : undefined
        if (decoded === undefined) {
          expect(encodeKeyPath(neighbour)).toBeUndefined()
          return
        }
        // A browser removes "." and "..", as for files on a disk.
        if (!segments.some((one) => /^\.\.?$/.test(one)) && neighbour.isWellFormed()) {
          reached++
          expect(decoded).toBe(neighbour)
        }
      }),
      { numRuns: 2_000 },
    )
    expect(reached).toBeGreaterThan(500)
  })

  it('never leaves the folder of the file by any relative name without being recognised', () => {
    const raw = fc.array(
      fc.constantFrom('..', '.', '/', '\\', '%2e', '%2F', '%5c', '%252e', 'in', 'a', '%', '?', '#'),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    fc.assert(
      fc.property(raw, (parts) => {
        const { href } = new URL(`./${parts.join('')}`, `${base}in/deep/list.m3u8`)
        const decoded = href.startsWith(base) ? decodeKeyPath(pathOf(href).split(/[?#]/)[0]!) : undefined
        if (decoded === undefined) return
        expect(decoded.split(/[/\\]/).filter((one) => one === '' || one === '.' || one === '..')).toEqual([])
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['a file', 'a b/ü+1 %41?#.m3u8', 'a%20b/%C3%BC%2B1%20%2541%3F%23.m3u8'],
    ['characters that end a link in a text', "it's (1)*!.m3u8", 'it%27s%20%281%29%2A%21.m3u8'],
    ['an empty segment', 'a//b.m3u8', undefined],
    ['a slash at its start', '/a.m3u8', undefined],
    ['a slash at its end', 'a.m3u8/', undefined],
    ['a "." segment', 'a/./b.m3u8', undefined],
    ['a ".." segment', 'a/../b.m3u8', undefined],
    ['a backslash', 'a\\b.m3u8', undefined],
    ['a NUL', 'a\0.m3u8', undefined],
    ['half of a surrogate pair', 'a\ud800.m3u8', undefined],
    ['4,096 characters', 'a'.repeat(4_096), 'a'.repeat(4_096)],
    ['4,097 characters', 'a'.repeat(4_097), undefined],
  ])('has the form of a path, unless URLs would change it: %s', (_what, name, path) => {
    expect(encodeKeyPath(name)).toBe(path)
  })

  it.each([
    '',
    'a/',
    '/a',
    'a//b',
    '../a',
    'a/..',
    'a/../b',
    'a/./b',
    '%2e%2e/a',
    'a/%2E./b',
    'a/.%2e',
    '..%2fa',
    'a%2fb',
    'a%2F..%2Fb',
    '..%5ca',
    'a%5cb',
    'a\\b',
    'a%00b',
    'a%ffb',
    '%c0%ae%c0%ae/a',
    '%ed%a0%80',
    'ü',
    'a b',
    'a'.repeat(8_193),
  ])('is refused in the path %.40s', (path) => {
    expect(decodeKeyPath(path)).toBeUndefined()
  })

  it.each([
    ['%252e%252e/a', '%2e%2e/a'],
    ['..%252fa', '..%2fa'],
    ['100%/a%zz%', '100%/a%zz%'],
    ['.../a', '.../a'],
    ['%EF%BB%BFa', '\ufeffa'],
    ['a%0Ab', 'a\nb'],
  ])('is decoded once: %s', (path, name) => {
    expect(decodeKeyPath(path)).toBe(name)
  })
})
