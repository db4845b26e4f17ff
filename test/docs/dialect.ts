/** Words that marked the private dialect of earlier texts, each with the plain terms for it. */
export const dialect: readonly (readonly [words: RegExp, instead: string])[] = [
  [/\b(?:is|are|was|were|be|been|being|gets?) told\b/, 'receives; the server sends'],
  [/\btells? (?:of|that|when|whether|which|what|how)\b/, 'reports, says, contains'],
  [
    /\b(?:is|are|was|were|be) (?:had|kept|meant|taken|shown)\b(?! over\b)/,
    'name the actor and the verb: Sluice stores, the client reads',
  ],
  [/\bkept (?:as|for|in|nowhere)\b/, 'stored, retained'],
  // "Behind" a proxy is the term of the field; "behind" in the sense of later is not.
  [/\bbehind\b(?! (?:a|the) (?:\w+ )?(?:proxy|proxies|pooler|load balancer))/, 'after'],
  [/\b(?:is|are|was|were) none\b/, 'say what is absent: "Null if the storage has no name."'],
  [/\bso (?:many|much) (?:…|\w)/, 'a number, with its unit'],
  [/\b(?:by|in|for) so many\b/, 'a number, with its unit'],
  [/\bin words\b/, 'as text for people'],
  [/\b(?:gives?|gave|given|giving) back\b/, 'returns, releases'],
  [/\b(?:lends?|lent|lending|loan)\b/, 'borrows, acquires, releases'],
  [/\bbrakes?\b/, 'limit'],
  [/\bat hand\b/, 'available'],
  [/\b(?:at|by) (?:its|their) hand\b/, 'available'],
  [/\bby (?:itself|themselves)\b/, 'automatically; or name the actor: the schedule, the server'],
  [/\bby chance\b/, 'random'],
  [/\bunder way\b/, 'running, queued or in progress'],
  [/\bhow-manieth\b/, 'number'],
  [/\bwho(?:m|se)?ever\b/, 'name the actor'],
  [/\bwhat it is for\b/, 'name, purpose'],
  [/\bgo(?:es)? (?:first|away|with (?:it|them)|the way)\b/, 'takes precedence; is deleted'],
  [/\b(?:wave|waves|waved) through\b/, 'override'],
  [/\b(?:findings?|faults?) (?:is|are) told\b/, 'reported'],
  [/\b(?:anew|thereof|whereabouts|hereof)\b/, 'again, location'],
]

/** The phrases of the dialect in a text, each with its line and what to write instead. Code between backticks does not count. */
export function dialectIn(text: string): string[] {
  const prose = text.replace(/`[^`\n]*`/g, '``')
  return dialect.flatMap(([words, instead]) => {
    // A phrase may continue on the next line.
    const phrase = new RegExp(words.source.replaceAll(' ', '\\s+'), 'gi')
    return [...prose.matchAll(phrase)].map(({ 0: found, index }) => {
      const line = prose.slice(0, index).split('\n').length
      return `line ${line}: "${found.replace(/\s+/g, ' ')}"; write: ${instead}`
    })
  })
}

// Phrases that are clear in prose, but mark a test name that continues another text instead of stating a behaviour.
const inTestNames =
  /\b(?:told|shown|kept as|heeds?|lent|under way|goes? on|gone on|anew|by itself|in words|with words|are had|doors?|mended)\b/i

/** The names of tests and groups that use the dialect. A name is a text argument that a function or options follow. */
export function dialectInTestNames(source: string): string[] {
  const names = [...source.matchAll(/\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1,\s*(?:async\b|\(|\{|function\b)/g)].map(
    ([, , name]) => name!,
  )
  return names.filter((name) => inTestNames.test(name) || dialectIn(name).length > 0).map((name) => `"${name}"`)
}

// Parts of identifiers that mark the dialect.
const inIdentifiers =
  /^(?:anew|asked|beats?|behind|doors?|floods?|heed|kept|lend|lender|lending|lent|loan|modest|modesty|told|whereabouts|words)$/

/** The declared names of a source text that use the dialect. */
export function dialectInIdentifiers(source: string): string[] {
  const declared = /\b(?:const|let|function|class|interface|type)\s+(\w+)|^\s+(?:readonly\s+)?(#?\w+)\??(?=\s*[:(])/gm
  return [...source.matchAll(declared)]
    .map(([, first, second]) => first ?? second!)
    .filter(
      (name) =>
        (name.match(/[A-Z]?[a-z]+/g) ?? []).some((part) => inIdentifiers.test(part.toLowerCase())) ||
        /giveBack/i.test(name),
    )
}
