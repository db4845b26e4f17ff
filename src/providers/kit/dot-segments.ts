// A segment that is `.` or `..`. Some proxies take `\\` for `/`.
const dotSegment = /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/

/**
 * Whether a key has a `.` or `..` segment (RFC 3986 §5.2.4 removes them from paths). A proxy that does this before a
 * storage server would read `pub/../priv/secret` as `priv/secret`, which is outside the prefix `pub/`. A key that spells the
 * dots as `%2e` is sent as `%252e`, which no proxy takes for dots.
 */
export const hasDotSegments = (key: string): boolean => key.includes('.') && dotSegment.test(key)

/** Whether a browser keeps the key in a URL's path: it removes `.` and `..` segments (WHATWG URL standard), which breaks a signature. */
export const canStandInUrl = (key: string): boolean => !/(?:^|\/)\.\.?(?:\/|$)/.test(key)
