import { describe, expect, it } from 'vitest'
import { allowsRange, type Conditions, evaluatePreconditions } from '../../src/resolve/conditions.ts'
import { etagFor } from '../../src/resolve/etag.ts'

const object = { etag: '"v1"', lastModified: new Date('2026-03-01T12:00:00.700Z') }
const bare = { etag: null, lastModified: null }
const same = 'Sun, 01 Mar 2026 12:00:00 GMT'
const before = 'Sun, 01 Mar 2026 11:59:59 GMT'
const after = 'Sun, 01 Mar 2026 12:00:01 GMT'

describe('the conditions of a request (RFC 9110 §13)', () => {
  it.each<[string, Conditions, 304 | 412 | undefined]>([
    ['nothing', {}, undefined],
    ['If-Match of this version', { ifMatch: '"v1"' }, undefined],
    ['If-Match of one in a list', { ifMatch: '"v0", "v1"' }, undefined],
    ['If-Match of any version', { ifMatch: '*' }, undefined],
    ['If-Match of another version', { ifMatch: '"v0"' }, 412],
    ['If-Match of a weak tag, which never matches strongly', { ifMatch: 'W/"v1"' }, 412],
    ['If-Match that is no tag', { ifMatch: 'v1' }, 412],
    ['If-Unmodified-Since the second of the change', { ifUnmodifiedSince: same }, undefined],
    ['If-Unmodified-Since before the change', { ifUnmodifiedSince: before }, 412],
    [
      'If-Unmodified-Since beside If-Match, which goes first',
      { ifMatch: '"v1"', ifUnmodifiedSince: before },
      undefined,
    ],
    ['If-Unmodified-Since that is no date', { ifUnmodifiedSince: 'yesterday' }, undefined],
    ['If-None-Match of this version', { ifNoneMatch: '"v1"' }, 304],
    ['If-None-Match of a weak tag, which matches weakly', { ifNoneMatch: 'W/"v1"' }, 304],
    ['If-None-Match of one in a list', { ifNoneMatch: 'W/"v0" ,"v1"' }, 304],
    ['If-None-Match of any version', { ifNoneMatch: '*' }, 304],
    ['If-None-Match of another version', { ifNoneMatch: '"v0"' }, undefined],
    ['If-Modified-Since the second of the change', { ifModifiedSince: same }, 304],
    ['If-Modified-Since after the change', { ifModifiedSince: after }, 304],
    ['If-Modified-Since before the change', { ifModifiedSince: before }, undefined],
    [
      'If-Modified-Since beside If-None-Match, which goes first',
      { ifNoneMatch: '"v0"', ifModifiedSince: after },
      undefined,
    ],
    ['If-Modified-Since that is no date', { ifModifiedSince: '2027-01-01' }, undefined],
    ['If-Modified-Since in an obsolete form', { ifModifiedSince: 'Sunday, 01-Mar-26 12:00:00 GMT' }, 304],
    ['If-Modified-Since in the form of asctime', { ifModifiedSince: 'Sun Mar  1 12:00:00 2026' }, 304],
    ['a precondition that fails, before one that would be 304', { ifMatch: '"v0"', ifNoneMatch: '"v1"' }, 412],
  ])('%s', (_name, conditions, verdict) => {
    expect(evaluatePreconditions(conditions, object)).toBe(verdict)
  })

  it('match an object without versions and times only by its existence', () => {
    expect(evaluatePreconditions({ ifNoneMatch: '"v1"' }, bare)).toBeUndefined()
    expect(evaluatePreconditions({ ifModifiedSince: after }, bare)).toBeUndefined()
    expect(evaluatePreconditions({ ifUnmodifiedSince: before }, bare)).toBeUndefined()
    expect(evaluatePreconditions({ ifMatch: '"v1"' }, bare)).toBe(412)
    expect(evaluatePreconditions({ ifMatch: '*' }, bare)).toBeUndefined()
    expect(evaluatePreconditions({ ifNoneMatch: '*' }, bare)).toBe(304)
  })

  it.each([
    [undefined, true],
    ['"v1"', true],
    ['"v0"', false],
    ['W/"v1"', false],
    [same, true],
    [before, false],
    [after, false],
    ['nonsense', false],
  ])('allow a part for If-Range %j: %j', (ifRange, allows) => {
    expect(allowsRange(ifRange, object)).toBe(allows)
  })

  it('allow no part if the date in If-Range is in the current second, or if the object has no date', () => {
    const now = new Date()
    expect(allowsRange(now.toUTCString(), { etag: null, lastModified: now })).toBe(false)
    expect(allowsRange(same, bare)).toBe(false)
    expect(allowsRange('"v1"', bare)).toBe(false)
  })
})

describe('the entity tag of an object', () => {
  it('differs for each version and viewer, and is as strong as that of the storage', () => {
    const tags = [etagFor('"a"', 'x'), etagFor('"b"', 'x'), etagFor('"a"', 'y')]
    expect(new Set(tags).size).toBe(3)
    expect(etagFor('"a"', 'x')).toBe(tags[0])
    for (const tag of tags) expect(tag).toMatch(/^"[\w-]{27}"$/)
    expect(etagFor('W/"a"', 'x')).toMatch(/^W\/"[\w-]{27}"$/)
    expect(etagFor(null, 'x')).toBeNull()
  })
})
