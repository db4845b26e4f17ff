/**
 * The parts of a location that decide where secrets are sent, by field name. Each function returns one canonical text for all
 * spellings of the same place, and '' for an absent part.
 */
export type BoundParts<Location> = Record<string, (location: Location) => string>

/** The text of a part that says whether a connection is encrypted. To turn encryption on never exposes a secret. */
export const encrypted = 'tls'

/**
 * An http(s) URL in one spelling: lower-case scheme and host, no default port, no slash at the end (WHATWG URL standard). An
 * absent URL is ''. A text that is no URL is returned as it is.
 */
export function canonicalUrl(url: string | undefined): string {
  if (!url || !URL.canParse(url)) return url ?? ''
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`
}

/** The bound parts of a location as one text, for the encryption. Absent parts are left out, so a new kind of part may be added. */
export function boundText(parts: BoundParts<never>, location: Record<string, unknown>): string {
  const texts = Object.entries(textsOf(parts, location)).filter(([, text]) => text !== '')
  return JSON.stringify(texts.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Names of the bound parts in which secrets for `from` must not be sent to `to`. */
export function changedParts(
  parts: BoundParts<never>,
  from: Record<string, unknown>,
  to: Record<string, unknown>,
): string[] {
  const [before, after] = [textsOf(parts, from), textsOf(parts, to)]
  return Object.keys(parts).filter((name) => before[name] !== after[name] && after[name] !== encrypted)
}

function textsOf(parts: BoundParts<never>, location: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(parts).map(([name, textOf]) => [name, textOf(location as never)]))
}
