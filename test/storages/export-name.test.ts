import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ExportFormat } from '../../src/entities/storage.ts'
import { keyFor, templateFault } from '../../src/storages/export-name.ts'

const s3 = (prefix: string, nameTemplate: string | null = null, exportFormat: ExportFormat = 'ANNOTATION') => ({
  provider: 'S3' as const,
  location: { bucket: 'b', prefix },
  nameTemplate,
  exportFormat,
})
const named = { projectId: 1, taskId: 20, innerId: 3, annotationId: 400, sourceKey: 'photos/a.b.jpg' }

describe('a name template', () => {
  it.each<[string, ExportFormat]>([
    ['{annotationId}.json', 'ANNOTATION'],
    ['{taskId}-{annotationId}', 'ANNOTATION'],
    ['{sourceStem}/{annotationId}.json', 'ANNOTATION'],
    ['{annotationId}_{sourceStem}.json', 'ANNOTATION'],
    ['p{projectId}/t{taskId}/a{annotationId}.json', 'ANNOTATION'],
    ['{projectId}{annotationId}', 'ANNOTATION'],
    ['{taskId}.json', 'TASK'],
    ['{sourceStem}-{innerId}.json', 'TASK'],
  ])('%s is accepted in %s format', (template, format) => {
    expect(templateFault(template, format)).toBeUndefined()
  })

  it.each<[string, ExportFormat, RegExp]>([
    ['{user}-{annotationId}', 'ANNOTATION', /\{user\} is no field/],
    ['{taskId}.json', 'ANNOTATION', /needs \{annotationId\}/],
    ['{sourceStem}.json', 'TASK', /needs \{taskId\} or \{innerId\}/],
    ['{annotationId}.json', 'TASK', /whole task/],
    ['{taskId}{annotationId}', 'ANNOTATION', /same name/],
    ['{taskId}1{annotationId}', 'ANNOTATION', /same name/],
    ['{sourceStem}{annotationId}', 'ANNOTATION', /same name/],
    ['{sourceStem}-{annotationId}-{sourceStem}', 'ANNOTATION', /same name/],
    ['../{annotationId}', 'ANNOTATION', /"\.\."/],
    ['a/../{annotationId}', 'ANNOTATION', /"\.\."/],
    ['/{annotationId}', 'ANNOTATION', /slash/],
    ['{annotationId}//a', 'ANNOTATION', /slash/],
    ['{annotationId', 'ANNOTATION', /brace/],
    ['{annotationId}\n', 'ANNOTATION', /control/],
  ])('%s is refused in %s format', (template, format, words) => {
    expect(templateFault(template, format)).toMatch(words)
  })

  it('that is accepted never gives two annotations the same name', () => {
    const part = fc.oneof(
      fc.constantFrom('{projectId}', '{taskId}', '{annotationId}', '{sourceStem}'),
      fc.constantFrom('-', '1', '/', 'a', '1-', '-1'),
    )
    const ids = fc.record({
      taskId: fc.integer({ min: 1, max: 120 }),
      annotationId: fc.integer({ min: 1, max: 120 }),
      stem: fc.stringMatching(/^[12-]{1,3}$/),
    })
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), ids, ids, (parts, one, other) => {
        const template = parts.join('')
        fc.pre(one.annotationId !== other.annotationId && templateFault(template, 'ANNOTATION') === undefined)
        const [first, second] = [one, other].map(({ stem, ...rest }) =>
          keyFor(s3('', template), { projectId: 1, innerId: 1, sourceKey: `x/${stem}.jpg`, ...rest }),
        )
        expect(first).not.toBe(second)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('the key of an export', () => {
  it.each([
    ['', '400.json'],
    ['out', 'out/400.json'],
    ['out/', 'out/400.json'],
    ['out/deep', 'out/deep/400.json'],
  ])('below the prefix "%s" is %s', (prefix, key) => {
    expect(keyFor(s3(prefix), named)).toBe(key)
  })

  it('has the values of all fields', () => {
    const template = '{projectId}/{innerId}/{sourceStem}/{taskId}-{annotationId}.json'
    expect(keyFor(s3('out', template), named)).toBe('out/1/3/a.b/20-400.json')
    expect(keyFor(s3('', template), { ...named, sourceKey: null })).toBe('1/3/unnamed/20-400.json')
  })

  it('is refused if it would leave the prefix, or is longer than the storage accepts', () => {
    const leaving = () => keyFor(s3('out', '{sourceStem}/{annotationId}'), { ...named, sourceKey: 'x/..' })
    expect(leaving).toThrow(expect.objectContaining({ code: 'NAME_LEAVES_PREFIX' }))
    const long = { ...named, sourceKey: 'ä'.repeat(600) }
    const template = '{sourceStem}/{annotationId}'
    const tooLong = expect.objectContaining({ code: 'KEY_TOO_LONG' })
    expect(() => keyFor(s3('out', template), long)).toThrow(tooLong)
    const azure = {
      ...s3('out', template),
      provider: 'AZURE_BLOB' as const,
      location: { account: 'a', container: 'c', prefix: '' },
    }
    expect(keyFor(azure, long)).toMatch(/400$/)
    const local = { ...s3('', template), provider: 'LOCAL_FILES' as const, location: { path: 'out' } }
    expect(() => keyFor(local, long)).toThrow(tooLong)
    expect(() => keyFor(local, { ...named, sourceKey: 'b'.repeat(255) })).not.toThrow()
  })
})
