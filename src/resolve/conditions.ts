/** The conditional headers of a request (RFC 9110 §13.1). */
export interface Conditions {
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
  ifModifiedSince?: string | undefined
  ifUnmodifiedSince?: string | undefined
  ifRange?: string | undefined
}

/** The validators of the object, as the viewer knows them. */
interface Validators {
  etag: string | null
  lastModified: Date | null
}

/** Whether the conditions can end the request without a body; `If-Range` cannot. */
export function hasPreconditions({ ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince }: Conditions): boolean {
  return (ifMatch ?? ifNoneMatch ?? ifModifiedSince ?? ifUnmodifiedSince) !== undefined
}

/**
 * Evaluates the preconditions of a GET or HEAD of an existing object, in the order of RFC 9110 §13.2.2: 412, 304, or undefined to
 * continue. Invalid dates, and dates for an object without one, are ignored (§13.1.3, §13.1.4).
 */
export function evaluatePreconditions(conditions: Conditions, object: Validators): 304 | 412 | undefined {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, object.etag, isSameStrongly)) return 412
  } else if (isLater(object.lastModified, ifUnmodifiedSince) === true) return 412
  if (ifNoneMatch !== undefined) {
    if (lists(ifNoneMatch, object.etag, isSameWeakly)) return 304
  } else if (isLater(object.lastModified, ifModifiedSince) === false) return 304
  return undefined
}

/**
 * Whether a range request may get a part: there is no `If-Range`, or it names the present version (§13.1.5). A date counts only if
 * its second is over (§8.8.2.2), because before that the object can change without a change of its date.
 */
export function allowsRange(ifRange: string | undefined, object: Validators): boolean {
  if (ifRange === undefined) return true
  const tag = ifRange.trim()
  if (/^(W\/)?"/.test(tag)) return object.etag !== null && isSameStrongly(tag, object.etag)
  const seconds = secondsOf(tag)
  if (seconds === undefined || !object.lastModified) return false
  return seconds === Math.floor(object.lastModified.getTime() / 1000) && Date.now() / 1000 >= seconds + 1
}

/** Whether a list of entity tags, or `*`, contains `etag`. */
function lists(header: string, etag: string | null, same: (a: string, b: string) => boolean): boolean {
  if (header.trim() === '*') return true
  if (etag === null) return false
  return (header.match(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g) ?? []).some((tag) => same(tag, etag))
}

/** RFC 9110 §8.8.3.2. */
const isSameStrongly = (a: string, b: string) => a === b && !a.startsWith('W/')
const isSameWeakly = (a: string, b: string) => a.replace(/^W\//, '') === b.replace(/^W\//, '')

/** Whether the object changed after the date, in whole seconds; undefined if one of the dates is missing. */
function isLater(lastModified: Date | null, date: string | undefined): boolean | undefined {
  const seconds = date === undefined ? undefined : secondsOf(date)
  if (seconds === undefined || !lastModified) return undefined
  return Math.floor(lastModified.getTime() / 1000) > seconds
}

const httpDate =
  /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:[A-Z][a-z]{2}) \d{4} \d\d:\d\d:\d\d GMT|[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/

/** Seconds since 1970 of an HTTP-date, the obsolete forms included (§5.6.7); undefined for anything else. */
function secondsOf(text: string): number | undefined {
  const date = text.trim()
  if (!httpDate.test(date)) return undefined
  const time = Date.parse(date.endsWith('GMT') ? date : `${date} GMT`)
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000)
}
