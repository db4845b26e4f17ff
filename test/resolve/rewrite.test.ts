import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/entities/storage.ts'
import { parseJson } from '../../src/json.ts'
import { resolveUrl } from '../../src/resolve/link-urls.ts'
import { rewriteUris } from '../../src/resolve/rewrite.ts'
import { local, s3 } from './stored.ts'

describe('resolved data', () => {
  const storages = [s3(1, 'b', 'in/'), local(2, 'photos')]
  const rewrite = (data: unknown) => rewriteUris(data as never, { storages }, (uri) => `<${uri}>`)

  it('has links for every served URI, at any depth', () => {
    expect(
      rewrite({ a: 's3://b/in/1', b: [{ c: ['s3://b/in/2', 's3://other/in/3', 4, null, true] }], 's3://b/in/k': 'x' }),
    ).toEqual({
      a: '<s3://b/in/1>',
      b: [{ c: ['<s3://b/in/2>', 's3://other/in/3', 4, null, true] }],
      's3://b/in/k': 'x',
    })
  })

  it('has links for URIs inside text, also for several storages', () => {
    const html = `<img src="s3://b/in/1.jpg"> <a href='local-files:///photos/2'>s3://b/out/3</a> s3://b/in/4`
    expect(rewrite(html)).toBe(
      `<img src="<s3://b/in/1.jpg>"> <a href='<local-files:///photos/2>'>s3://b/out/3</a> <s3://b/in/4>`,
    )
  })

  it('has links for URIs of every kind of storage', () => {
    const kinds = [
      ...storages,
      { id: 3, provider: 'GCS', location: { bucket: 'b', prefix: 'in/' } },
      { id: 4, provider: 'AZURE_BLOB', location: { account: 'a', container: 'b', prefix: 'in/' } },
      { id: 5, provider: 'REDIS', location: { host: 'h', port: 6379, db: 2, path: 'in/', tls: false } },
    ] as unknown as Storage[]
    const uris = [
      's3://b/in/1',
      'gs://b/in/1',
      'azure-blob://b/in/1',
      'redis://h:6379:2/in/1',
      'local-files:///photos/1',
    ]
    const html = (show: (uri: string) => string) => uris.map((uri) => `<img src="${show(uri)}">`).join('\n')
    expect(
      rewriteUris(
        html((uri) => uri),
        { storages: kinds },
        (uri) => `<${uri}>`,
      ),
    ).toBe(html((uri) => `<${uri}>`))
    const strangers = ['gs://b/out/1', 'azure-blob://c/in/1', 'redis://h:6379:1/in/1', 'redis://h/in/1']
    expect(rewriteUris(strangers, { storages: kinds }, () => 'replaced')).toEqual(strangers)
  })

  it('differs from the data only by the links, for any text', () => {
    const piece = fc.constantFrom(
      ...['s3://', 's3://b/', 's3://b/in/', 's3://b/in/k', 's3://c/in/k', 'gs://b/in/k', 'local-files:///photos/'],
      ...['k', ' ', '"', "'", '<', '>', '`', '(', ')', '[', ']', '.', ',', '?', '\n', '\t', '\u00a0', '&quot;', '%'],
      ...['é', 'e\u0301', '\ud83d', '\ude00', '\0', '$&', '$1', '\\', ':', '/', '-'],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const given = pieces.join('')
        const links: string[] = []
        const shown = rewriteUris(given, { storages }, (uri) => `⟦${links.push(uri) - 1}⟧`) as string
        expect(shown.replace(/⟦(\d+)⟧/g, (_all, n) => links[Number(n)]!)).toBe(given)
        for (const uri of links) expect(uri).toMatch(/^(s3:\/\/b\/in\/|local-files:\/\/\/photos\/)/)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    [
      'see s3://b/in/1.jpg, (s3://b/in/2.jpg) or s3://b/in/3.jpg.',
      'see <s3://b/in/1.jpg>, (<s3://b/in/2.jpg>) or <s3://b/in/3.jpg>.',
    ],
    ['![x](s3://b/in/1(2).jpg)', '![x](<s3://b/in/1(2).jpg>)'],
    ['s3://b/in/1.jpg s3://b/in/2.jpg', '<s3://b/in/1.jpg> <s3://b/in/2.jpg>'],
    ['<img src="s3://b/in/what?">', '<img src="<s3://b/in/what?>">'],
    ['<img srcset="s3://b/in/1 1x, s3://b/in/2 2x">', '<img srcset="<s3://b/in/1> 1x, <s3://b/in/2> 2x">'],
    ['xs3://b/in/1 local-files:///photos', 'xs3://b/in/1 local-files:///photos'],
    ['a s3://b/out/s3://b/in/1', 'a s3://b/out/s3://b/in/1'],
  ])('in %j finds where a URI begins and ends', (value, expected) => {
    expect(rewrite(value)).toBe(expected)
  })

  it.each([
    // HTML attributes: the text between the quotes.
    ['<img src="s3://b/in/my pictures/a b.jpg">', '<img src="<s3://b/in/my pictures/a b.jpg>">'],
    ["<img src='s3://b/in/my pictures/a b.jpg'>", "<img src='<s3://b/in/my pictures/a b.jpg>'>"],
    [`<img src="s3://b/in/it's a.jpg" alt='x'>`, `<img src="<s3://b/in/it's a.jpg>" alt='x'>`],
    [`<img src='s3://b/in/12" disc.jpg'>`, `<img src='<s3://b/in/12" disc.jpg>'>`],
    ['<a href = "s3://b/in/a <1>.jpg">x</a>', '<a href = "<s3://b/in/a <1>.jpg>">x</a>'],
    ['<img src=" s3://b/in/a b.jpg ">', '<img src=" <s3://b/in/a b.jpg> ">'],
    ['<img src="s3://b/in/a &amp; b.jpg">', '<img src="<s3://b/in/a & b.jpg>">'],
    ['<img src="s3://b/in/a&amp;amp;b&#39;&#x22;.jpg">', `<img src="<s3://b/in/a&amp;b'".jpg>">`],
    ['<img src="s3://b/in/a?x=1&copy=2">', '<img src="<s3://b/in/a?x=1&copy=2>">'],
    ['<img src="s3://b/in/a b.jpg', '<img src="s3://b/in/a b.jpg'],
    ["<img src=s3://b/in/it's.jpg>", "<img src=s3://b/in/it's.jpg>"],
    ['<img src=s3://b/in/my pictures/a.jpg>', '<img src=s3://b/in/my pictures/a.jpg>'],
    ['<img src=s3://b/in/a.jpg alt=x>', '<img src=<s3://b/in/a.jpg> alt=x>'],
    ['<img src=s3://b/in/what?>', '<img src=<s3://b/in/what?>>'],
    ['<img srcset="s3://b/in/my a.jpg 1x, s3://b/in/2 2x">', '<img srcset="s3://b/in/my a.jpg 1x, s3://b/in/2 2x">'],
    [
      '<img srcset="s3://b/in/1 480w, s3://b/out/2 2x, s3://b/in/3">',
      '<img srcset="<s3://b/in/1> 480w, s3://b/out/2 2x, <s3://b/in/3>">',
    ],
    [`<p onclick="play('s3://b/in/a b.mp4')">`, `<p onclick="play('<s3://b/in/a b.mp4>')">`],
    // CSS.
    ['a { background: url(s3://b/in/a b.jpg) }', 'a { background: url(<s3://b/in/a b.jpg>) }'],
    ['a { background: url( "s3://b/in/a b(.jpg" ) }', 'a { background: url( "<s3://b/in/a b(.jpg>" ) }'],
    ['url(\'s3://b/in/a "b".jpg\')', 'url(\'<s3://b/in/a "b".jpg>\')'],
    ['url(s3://b/in/a (1).jpg), url(s3://b/in/2)', 'url(<s3://b/in/a (1).jpg>), url(<s3://b/in/2>)'],
    ['url(s3://b/in/a\\ b.jpg)', 'url(s3://b/in/a\\ b.jpg)'],
    ['url(s3://b/in/a b.jpg', 'url(s3://b/in/a b.jpg'],
    [
      '<p style="background:url(&quot;s3://b/in/a &amp; b.jpg&quot;)">',
      '<p style="background:url(&quot;<s3://b/in/a & b.jpg>&quot;)">',
    ],
    [`<p style="background:url('s3://b/in/a b.jpg')">`, `<p style="background:url('<s3://b/in/a b.jpg>')">`],
    // Markdown.
    ['![x](s3://b/in/my pictures/a b.jpg)', '![x](<s3://b/in/my pictures/a b.jpg>)'],
    ['![x](<s3://b/in/a b).jpg>)', '![x](<<s3://b/in/a b).jpg>>)'],
    ['[x](s3://b/in/a b.jpg "title") and (more)', '[x](<s3://b/in/a b.jpg> "title") and (more)'],
    ["[x](s3://b/in/a b.jpg 'title')", "[x](<s3://b/in/a b.jpg> 'title')"],
    ["![x](s3://b/in/it's a.jpg)", "![x](<s3://b/in/it's a.jpg>)"],
    ['![x](s3://b/in/a b.jpg =100x20)', '![x](<s3://b/in/a b.jpg> =100x20)'],
    ['![x](s3://b/in/a&amp;b \\(1.jpg\\))', '![x](<s3://b/in/a&b (1.jpg)>)'],
    ['![x](s3://b/in/a b.jpg "a) b")', '![x](s3://b/in/a b.jpg "a) b")'],
    ['![x](s3://b/in/a (b.jpg\nnext)', '![x](s3://b/in/a (b.jpg\nnext)'],
    ['[![a](s3://b/in/1 a.jpg)](s3://b/in/2 b.jpg)', '[![a](<s3://b/in/1 a.jpg>)](<s3://b/in/2 b.jpg>)'],
    // Other quotations.
    ['{"image": "s3://b/in/a b.jpg", "n": 1}', '{"image": "<s3://b/in/a b.jpg>", "n": 1}'],
    ['{"image": "s3://b/in/a \\"b\\".jpg"}', '{"image": "s3://b/in/a \\"b\\".jpg"}'],
    ['"{\\"image\\":\\"s3://b/in/a b.jpg\\"}"', '"{\\"image\\":\\"<s3://b/in/a b.jpg>\\"}"'],
    ['see `s3://b/in/a b.jpg`, "s3://b/in/2"', 'see `<s3://b/in/a b.jpg>`, "<s3://b/in/2>"'],
    ["s3://b/in/1 and s3://b/in/it's.jpg", "<s3://b/in/1> and s3://b/in/it's.jpg"],
    [`(see "all of s3://b/in/1")`, `(see "all of <s3://b/in/1>")`],
    ['<s3://b/in/a b.jpg> s3://b/in/2', '<<s3://b/in/a b.jpg>> <s3://b/in/2>'],
  ])('in %j replaces whole URIs or nothing', (value, expected) => {
    expect(rewrite(value)).toBe(expected)
  })

  const keyPart = fc.stringMatching(/^[\w &()'"#?,.!;-]{0,20}$/)
  const keys = keyPart.map((part) => `s3://b/in/x${part}y.jpg`)
  const balanced = (uri: string) => {
    let depth = 0
    for (const char of uri) {
      if (char === '(') depth++
      if (char === ')') depth--
      if (depth < 0) return false
    }
    return depth === 0
  }
  const escapeOnce = (uri: string, mark: string) =>
    uri.replaceAll('&', '&amp;').replaceAll(mark, mark === '"' ? '&quot;' : '&#39;')
  it.each<[string, (uri: string) => [string, string] | undefined]>([
    ['an attribute in double quotes', (uri) => [`<img src="${escapeOnce(uri, '"')}">`, `<img src="⟦${uri}⟧">`]],
    ['an attribute in single quotes', (uri) => [`<img src='${escapeOnce(uri, "'")}'>`, `<img src='⟦${uri}⟧'>`]],
    [
      "CSS's url() in quotes",
      (uri) => (uri.includes('"') ? undefined : [`url("${uri.replaceAll('&', '&amp;')}")`, `url("⟦${uri}⟧")`]),
    ],
    [
      "CSS's url() without quotes",
      (uri) => (balanced(uri) ? [`url(${uri.replaceAll('&', '&amp;')})`, `url(⟦${uri}⟧)`] : undefined),
    ],
    ['a Markdown link in angle brackets', (uri) => [`[x](<${uri.replaceAll('&', '&amp;')}>)`, `[x](<⟦${uri}⟧>)`]],
    [
      'a Markdown link',
      (uri) =>
        balanced(uri) && !/\s["'(]/.test(uri) ? [`[x](${uri.replaceAll('&', '&amp;')})`, `[x](⟦${uri}⟧)`] : undefined,
    ],
  ])('finds any key in %s', (_where, write) => {
    fc.assert(
      fc.property(
        keys,
        fc.constantFrom('', 'see ', '<p>', '{ '),
        fc.constantFrom('', ' s3://b/in/2 ', '</p>'),
        (uri, before, after) => {
          const written = write(uri)
          fc.pre(written !== undefined)
          const [given, expected] = written!
          const shown = rewriteUris(`${before}${given}${after}`, { storages }, (one) => `⟦${one}⟧`)
          expect(shown).toBe(`${before}${expected}${after.replace('s3://b/in/2', '⟦s3://b/in/2⟧')}`)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('takes time linear in the length of any text', () => {
    for (const piece of [
      's3://',
      's3://b/in/',
      's3://b/in/x ',
      's3://b/out/x)',
      ')',
      'local-files:///',
      's3://b/in/x"',
      '](s3://b/in/x',
      '](s3://b/in/x (',
      'url(s3://b/in/x ',
      '"s3://b/in/x',
      '="s3://b/in/x ',
      "'s3://b/in/x\\n",
      '<s3://b/in/x ',
      ' src=s3://b/in/x',
      '&quot;s3://b/in/x',
      ',s3://b/in/x',
      ', s3://b/in/x y',
      '>s3://b/in/x ',
      's3://b/in/x<br>',
      '"s3://b/in/x<b ',
      '\\\\"s3://b/in/x',
      '\\',
      ',',
      '|s3://b/out/x',
      '&#34;s3://b/in/x',
      's3a://',
      'https://b.s3.amazonaws.com/in/x ',
      '<a ',
      's3://b/in/x y\n',
      's3://b/in/x y.jpg ',
      's3://b/in/x\\n',
      '"s3://b/in/x.jpg\\n',
      '&#10;s3://b/in/x',
      'a: s3://b/in/x ',
      '(',
    ]) {
      const value = piece.repeat(40_000)
      expect(typeof rewrite(`s3://b/in/a ${value}`)).toBe('string')
    }
  })

  it('has the same text around generated URIs, for any text between them', () => {
    const filler = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((part) => !part.includes('://'))
    const uri = fc.stringMatching(/^[\w/%&=?+~()-]{0,20}[\w]$/).map((key) => `s3://b/in/${key}`)
    fc.assert(
      fc.property(fc.array(fc.tuple(filler, uri), { minLength: 1, maxLength: 6 }), filler, (parts, end) => {
        const quoted = (show: (uri: string) => string) =>
          `${parts.map(([before, one]) => `${before}"${show(one)}"`).join('')}${end}`
        expect(rewrite(quoted((one) => one))).toBe(quoted((one) => `<${one}>`))
      }),
    )
  })

  it('equals the data if it has no such URI', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const data = parseJson(json)
        expect(JSON.stringify(rewriteUris(data, { storages }, () => 'replaced'))).toBe(JSON.stringify(data))
      }),
    )
  })

  it('treats a text that is one URI as a whole, with spaces and quotes', () => {
    expect(rewrite('s3://b/in/a "b" c.jpg')).toBe('<s3://b/in/a "b" c.jpg>')
  })

  it('preserves big numbers, unusual field names and everything else', () => {
    const text = '{"n":12345678901234567890,"__proto__":{"x":1},"u":"https://b/in/1","e":[]}'
    expect(JSON.stringify(rewriteUris(parseJson(text), { storages }, String))).toBe(text)
  })

  it('has links with the URI in base64url', () => {
    const link = new URL(
      resolveUrl({ linksUrl: 'https://sluice.example', where: { task: 7 }, uri: 's3://b/in/ü?&.jpg' }),
    )
    expect(link.pathname).toBe('/tasks/7/resolve/')
    expect(Buffer.from(link.searchParams.get('fileuri')!, 'base64url').toString()).toBe('s3://b/in/ü?&.jpg')
  })
})
