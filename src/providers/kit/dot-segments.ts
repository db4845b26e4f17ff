// A segment that is `.` or `..`. Some proxies treat `\` as `/`.
const dotSegment = /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/

/**
 * Whether a key has a `.` or `..` segment (RFC 3986 §5.2.4 removes them from paths). A proxy that removes them would turn
 * `pub/../priv/secret` into `priv/secret`, which is outside the prefix `pub/`. A key that contains `%2e` is sent with `%252e`,
 * which no proxy takes for a dot.
 */
export const hasDotSegments = (key: string): boolean => key.includes('.') && dotSegment.test(key)

/**
 * Whether browsers leave the key in a URL unchanged. They remove `.` and `..` segments (WHATWG URL standard), which breaks
 * signatures.
 */
export const canStandInUrl = (key: string): boolean => !/(?:^|\/)\.\.?(?:\/|$)/.test(key)
