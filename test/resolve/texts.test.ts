import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/entities/storage.ts'
import { type RewriteScope, rewriteUris } from '../../src/resolve/rewrite.ts'

const storages = [
  { id: 1, provider: 'S3', location: { bucket: 'b', prefix: '' } },
  { id: 2, provider: 'GCS', location: { bucket: 'photos', prefix: 'in/' } },
  { id: 3, provider: 'LOCAL_FILES', location: { path: 'scans' } },
] as unknown as Storage[]
const rewrite = (text: string, scope: Partial<RewriteScope> = {}) =>
  rewriteUris(text, { storages, ...scope }, (uri) => `⟦${uri}⟧`) as string

describe('a text with URIs', () => {
  /** Each text as it should be: a URI is marked. The marks are removed for the input. */
  it.each([
    ['a list with commas', '⟦s3://b/a.jpg⟧,⟦s3://b/c.jpg⟧'],
    ['a list with commas and spaces', '⟦s3://b/a.jpg⟧, ⟦s3://b/c.jpg⟧, ⟦gs://photos/in/1⟧'],
    ['a list with semicolons', '⟦s3://b/a.jpg⟧;⟦s3://b/c.jpg⟧;⟦local-files:///scans/1⟧'],
    ['a list with semicolons and spaces', '⟦s3://b/a.jpg⟧ ; ⟦s3://b/c.jpg⟧'],
    ['a list with bars', '⟦s3://b/a.jpg⟧|⟦s3://b/c.jpg⟧'],
    ['a list with bars and spaces', '⟦s3://b/a.jpg⟧ | ⟦s3://b/c.jpg⟧'],
    ['a list with a bar at both ends', '|⟦s3://b/a.jpg⟧|⟦s3://b/c.jpg⟧|'],
    ['a list with line breaks', '⟦s3://b/a.jpg⟧\n⟦s3://b/c.jpg⟧\n'],
    ['a list with line breaks of Windows', '⟦s3://b/a.jpg⟧\r\n⟦s3://b/c.jpg⟧'],
    ['a list with a comma at each line end', '⟦s3://b/a.jpg⟧,\n⟦s3://b/c.jpg⟧,\n'],
    ['a list with spaces in keys', '⟦s3://b/my a.jpg⟧,⟦s3://b/my c.jpg⟧'],
    ['a list by lines with spaces in keys', '⟦s3://b/my a.jpg⟧\n⟦s3://b/my dir/c.jpg⟧'],
    ['a list with separators in keys', '⟦s3://b/a,1;x|y.jpg⟧,⟦s3://b/c,2;x|y.jpg⟧'],
    ['a list with other buckets', '⟦s3://b/a.jpg⟧,s3://other/c.jpg,⟦s3://b/d.jpg⟧,https://x.example/e.jpg'],
    [
      'a list with an alias and upper case',
      '⟦s3a://b/a.jpg⟧,⟦S3://b/c.jpg⟧,⟦gcs://photos/in/1⟧,⟦s3n://b/d⟧,⟦S3N://b/e⟧,⟦GCS://photos/in/f⟧,⟦Local-Files:///scans/1⟧',
    ],
    ['a list in brackets', '[⟦s3://b/a.jpg⟧,⟦s3://b/c.jpg⟧]'],
    ['a list in quotes', '{"images": "⟦s3://b/my a.jpg⟧,⟦s3://b/c.jpg⟧", "n": 2}'],
    ['a list in quotes with spaces', '{"images": "⟦s3://b/my a.jpg⟧; ⟦s3://b/c.jpg⟧"}'],
    ['a list of Python', "['⟦s3://b/my a.jpg⟧', '⟦s3://b/c.jpg⟧']"],
    ['a list in an attribute', '<div data-images="⟦s3://b/a.jpg⟧|⟦s3://b/my c.jpg⟧">'],
    ['a list in an attribute without quotes', '<img src=⟦s3://b/a.jpg⟧,⟦s3://b/c.jpg⟧>'],
    ['a line break of HTML', '⟦s3://b/a.jpg⟧<br>text'],
    ['a closed line break of HTML', '⟦s3://b/my a.jpg⟧<br/>text <b>and</b> ⟦s3://b/c.jpg⟧'],
    ['HTML without attributes', '<p>⟦s3://b/my a.jpg⟧</p><p>⟦s3://b/c.jpg⟧</p>'],
    ['a quoted text with tags', '{"html": "⟦s3://b/a.jpg⟧<br>text ⟦s3://b/c.jpg⟧"}'],
    ['JSON inside JSON', String.raw`{\"i\":\"⟦s3://b/a.jpg⟧\"}`],
    ['JSON inside JSON, with text', String.raw`{\"t\":\"see ⟦s3://b/a.jpg⟧\",\"u\":\"⟦s3://b/my c.jpg⟧\"}`],
    ['JSON inside JSON, after the URI', String.raw`⟦s3://b/a.jpg⟧\",\"n\":1}`],
    [
      'JSON inside JSON inside JSON',
      String.raw`{\\\"i\\\":\\\"⟦s3://b/my a.jpg⟧\\\", \\\"t\\\":\\\"see ⟦s3://b/c.jpg⟧\\\"}`,
    ],
    ['CSS with references', 'url(&quot;⟦s3://b/my a.jpg⟧&quot;)'],
    ['CSS with single references', 'url(&apos;⟦s3://b/a.jpg⟧&apos;)'],
    ['CSS with numbers', 'url(&#34;⟦s3://b/a.jpg⟧&#34;) url(&#39;⟦s3://b/my c.jpg⟧&#39;)'],
    ['CSS with hexadecimal numbers', 'url(&#x22;⟦s3://b/a.jpg⟧&#X22;) url(&#x27;⟦s3://b/c.jpg⟧&#x27;)'],
    ['references of two spellings', 'url(&quot;⟦s3://b/my a.jpg⟧&#34;)'],
    ['references after text', '&quot;see ⟦s3://b/a.jpg⟧&quot; and &#39;see ⟦s3://b/c.jpg⟧&#39;'],
    ['references after a URI', '⟦s3://b/a.jpg⟧&quot; text'],
    ['escaped HTML', '&lt;img src=&quot;⟦s3://b/my a.jpg⟧&quot;&gt;&lt;br&gt;⟦s3://b/c.jpg⟧&lt;br&gt;'],
    ['white space around', ' ⟦s3://b/my a.jpg⟧ \n'],
    ['a space at the end', '⟦s3://b/a.jpg⟧ '],
    ['a caption in the next line', '⟦s3://b/a.jpg⟧\nA cat, on a mat.'],
    ['a caption under a key with spaces', '⟦s3://b/my a.jpg⟧\nA cat, on a mat.'],
    ['a quotation of two lines', '"⟦s3://b/a.jpg⟧\nA cat."'],
    ['a quoted URI with spaces', '{"image": "⟦s3://b/my pictures, 2026; x|y/a b.jpg⟧", "n": 1}'],
    ['a srcset without spaces', '<img srcset="⟦s3://b/a.jpg⟧ 1x,⟦s3://b/c.jpg⟧ 2x">'],
    ['a srcset with commas in keys', '<img srcset="⟦s3://b/a,1.jpg⟧ 1x, ⟦s3://b/c,2.jpg⟧ 2x">'],
    ['a table of Markdown', '| ⟦s3://b/a.jpg⟧ | ⟦s3://b/c.jpg⟧ |\n|---|---|'],
    ['Markdown', '![a](⟦s3://b/my a.jpg⟧) [c](<⟦s3://b/my c.jpg⟧> "title"), ⟦s3://b/d.jpg⟧.'],
    ['parentheses and punctuation', '(⟦s3://b/a(1).jpg⟧), [⟦s3://b/c.jpg⟧]! See ⟦s3://b/d.jpg⟧: ⟦s3://b/e⟧?'],
    ['unicode and percent signs', '⟦s3://b/fotos/ä%20ö/猫.jpg⟧,⟦s3://b/100%.jpg⟧'],
    ['quotes of the other kind', `<img alt='x' src="⟦s3://b/it's a.jpg⟧"> <img src='⟦s3://b/12" disc.jpg⟧'>`],
    ['CSV', 'id,url\n1,⟦s3://b/a.jpg⟧\n2,⟦s3://b/c.jpg⟧\n'],
    ['quoted CSV', '1,"⟦s3://b/my a.jpg⟧",cat\n2,"⟦s3://b/c.jpg⟧",dog\n'],
    ['YAML', 'image: ⟦s3://b/a.jpg⟧\nother: "⟦s3://b/my c.jpg⟧"\n'],
    ['bullets with spaces in keys', '- ⟦s3://b/my a.jpg⟧\n* ⟦s3://b/my c.jpg⟧\n10. ⟦s3://b/my d.jpg⟧'],
    ['YAML with spaces in keys', 'image: ⟦s3://b/my a.jpg⟧\n  other: ⟦s3://b/my c.jpg⟧\ntext: a cat\n'],
    ['a list with spaces between and in keys', '⟦s3://b/my a.jpg⟧ ⟦s3://b/my c.jpg⟧ ⟦s3://b/d.jpg⟧'],
    ['TSV', '⟦s3://b/a.jpg⟧\tcat\n⟦s3://b/my c.jpg⟧\tdog\n'],
    ['an angle bracket between URIs', '⟦s3://b/a.jpg⟧<⟦s3://b/c.jpg⟧'],
    ['an angle bracket between URIs in quotes', '"⟦s3://b/my a.jpg⟧<⟦s3://b/c.jpg⟧"'],
    [
      'JSON with escaped line breaks',
      String.raw`{"t":"⟦s3://b/my a.jpg⟧\nA cat","u":"⟦s3://b/c⟧\n⟦s3://b/d⟧\r\n⟦s3://b/e.jpg⟧"}`,
    ],
    [
      'JSON inside JSON with escaped line breaks',
      String.raw`{\"t\":\"see ⟦s3://b/a.jpg⟧\\nA cat\",\"u\":\"⟦s3://b/c.jpg⟧\\n\"}`,
    ],
    ['JSON with escaped tags', String.raw`{"t":"⟦s3://b/a.jpg⟧\u003cbr\u003e⟦s3://b/c.jpg⟧\u003C/p\u003E"}`],
    ['an attribute with line breaks', '<div data-x="⟦s3://b/a.jpg⟧&#10;⟦s3://b/c.jpg⟧&#13;&#x0A;⟦s3://b/d⟧">'],
    ['a key with backslashes', String.raw`see ⟦s3://b/dir\new\a.jpg⟧ now`],
    ['URIs in prose', '⟦s3://b/a.jpg⟧ shows a cat, ⟦s3://b/c.jpg⟧ shows a dog'],
    ['a URI with a comma and other text', '⟦s3://b/my cat, dog.jpg⟧'],
    ['a URI with an angle bracket', '⟦s3://b/a <1>.jpg⟧'],
    ['a URI inside a key', '⟦s3://b/crawl/s3://b/a.jpg⟧'],
  ])('(%s) has links for whole URIs', (_what, expected) => {
    expect(rewrite(expected.replaceAll(/[⟦⟧]/g, ''))).toBe(expected)
  })

  it.each([
    's3://b/a.jpg,s3://b/c.jpg',
    's3://b/a.jpg ',
    's3://b/a\nb.jpg',
    's3://b/a<br>b.jpg',
    's3://b/a.jpg\\",\\"x',
    's3://b/&quot;a&quot;.jpg',
    's3://b/a s3://b/b|s3://b/c',
    's3://b/"a\' `b` (c] \u0000 \u2028 ä猫.jpg;',
  ])('is whole if it is the URI of the task: %j', (uri) => {
    expect(rewrite(uri, { ownUri: uri })).toBe(`⟦${uri}⟧`)
    expect(rewrite(`see ${uri} now`, { ownUri: uri })).toBe(`see ⟦${uri}⟧ now`)
  })

  it('is not cut at the URI of the task if it continues there', () => {
    expect(rewrite('s3://b/a b.jpg,s3://b/c', { ownUri: 's3://b/a b' })).toBe('⟦s3://b/a b.jpg⟧,⟦s3://b/c⟧')
    expect(rewrite('see s3://b/a.jpg', { ownUri: 's3://b/a' })).toBe('see ⟦s3://b/a.jpg⟧')
  })

  it('says that it depends on the URI of the task only if its end is unclear', () => {
    const reads = (text: string): boolean => {
      let count = 0
      rewrite(text, { onUnread: () => count++ })
      return count > 0
    }
    for (const text of ['s3://b/a.jpg', 's3://b/my a.jpg', '<img src="s3://b/a.jpg">', '![a](s3://b/a.jpg)', 'no URI'])
      expect([text, reads(text)]).toEqual([text, false])
    for (const text of ['s3://b/a.jpg ', 's3://b/a.jpg,s3://b/c.jpg', 's3://b/a\nb', 'see s3://b/a.jpg'])
      expect([text, reads(text)]).toEqual([text, true])
  })

  const segment = fc.stringMatching(/^[\wäé猫%&()'#?,.!;|~+=@-]{0,8}$/)
  const uri = fc
    .tuple(
      fc.constantFrom('s3://b/', 's3a://b/', 'S3://b/', 'S3N://b/', 'gs://photos/in/', 'local-files:///scans/'),
      segment,
    )
    .map(([start, part]) => `${start}x${part}y.jpg`)
    .filter((text) => !/[()']|&#/.test(text))
  /** What may stand between two URIs. */
  const between = fc.constantFrom(
    ...[',', ';', '|', '\n', '\r\n', ', ', '; ', ' | ', ' ', ' and ', '<br>', '<br/>', '</p><p>', ', see ', '.\n\n'],
    ...['\t', '&quot;, ', '&#39; ', '\\", ', '", ', '&lt;br&gt;', ',\n', ' (s3://other/k) '],
  )
  const open = fc.constantFrom('', 'see ', '\n', '<p>', '{ ', 'text, ', '- ')
  const close = fc.constantFrom('', '\n', ' text', '</p>', '<br>', '.', ' ', '\nmore text, and more', ';', '&quot;')

  it('has the same URIs however it is split into URIs and other text', () => {
    fc.assert(
      fc.property(
        open,
        fc.array(fc.tuple(uri, between), { minLength: 1, maxLength: 5 }),
        uri,
        close,
        (a, list, last, z) => {
          const show = (mark: (text: string) => string) =>
            `${a}${list.map(([one, gap]) => mark(one) + gap).join('')}${mark(last)}${z}`
          expect(rewrite(show(String))).toBe(show((one) => `⟦${one}⟧`))
        },
      ),
      { numRuns: 3_000 },
    )
  })

  it('has whole URIs with any characters in quotes, tags and lists, beside other ones', () => {
    const spaced = fc.stringMatching(/^[\wä猫 ,;|()#?.!%+-]{0,16}$/).map((part) => `s3://b/x${part}y.jpg`)
    const wrap = fc.constantFrom<[string, string]>(
      ...([
        ['"', '"'],
        ["'", "'"],
        ['\\"', '\\"'],
        ['&quot;', '&quot;'],
        ['&#39;', '&#x27;'],
        ['<img src="', '">'],
        ["<a href='", "'>"],
        ['<', '>'],
        ['url("', '")'],
        ['url(&quot;', '&#34;)'],
      ] as [string, string][]),
    )
    const gap = fc.constantFrom(', ', ',', '\n', ' ', ' text ', '; ', '|')
    fc.assert(
      fc.property(fc.array(fc.tuple(wrap, spaced, gap), { minLength: 1, maxLength: 5 }), (list) => {
        const show = (mark: (text: string) => string) =>
          list.map(([[start, end], one, after]) => start + mark(one) + end + after).join('')
        expect(rewrite(show(String))).toBe(show((one) => `⟦${one}⟧`))
      }),
      { numRuns: 2_000 },
    )
  })
})
