/**
 * The fields of a location that decide where secrets are sent. Each function returns the same canonical text for all equivalent
 * values, and '' for an absent field.
 */
export type BoundParts<Location> = Record<string, (location: Location) => string>

/**
 * The text of a field that turns encryption on. Turning encryption on never exposes a secret, so it does not count as a change.
 */
export const encrypted = 'tls'

/**
 * Normalizes an http(s) URL: lower-case scheme and host, no default port, no trailing slash (WHATWG URL standard). Returns ''
 * for an absent URL, and other text unchanged.
 */
export function canonicalUrl(url: string | undefined): string {
  if (!url || !URL.canParse(url)) return url ?? ''
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`
}

/** The bound parts of a location as one text, for encryption. Omits absent parts, so that new parts can be added later. */
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
