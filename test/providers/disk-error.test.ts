import { describe, expect, it } from 'vitest'
import { describeError, isDiskFull, SluiceError } from '../../src/errors.ts'
import { diskError, writeError } from '../../src/providers/local-files/disk-error.ts'

const errno = (code: string) => Object.assign(new Error(`${code}: at /home/someone/secret-folder`), { code })

describe('an error of a local disk', () => {
  it.each([
    ['ENOSPC', 'STORAGE_FULL', 'The disk is full.'],
    ['EDQUOT', 'STORAGE_FULL', 'The user of the server has used up its disk quota.'],
    ['EROFS', 'DENIED', 'The disk is mounted read-only.'],
    ['EACCES', 'DENIED', expect.stringContaining('The operating system denies this.')],
    ['EIO', 'UNREACHABLE', 'The disk reports an error.'],
  ])('%s is %s: %s', (errnoCode, code, message) => {
    expect(writeError(errno(errnoCode))).toMatchObject({ code, message })
    expect(diskError(errno(errnoCode))).toMatchObject({ code, message })
  })
})

describe('a full disk of the server or its database', () => {
  it.each([
    ['PostgreSQL', Object.assign(new Error('could not extend file "base/1/2"'), { code: '53100' })],
    ['the data folder', errno('ENOSPC')],
    [
      'the ORM around PostgreSQL',
      new Error('insert failed', { cause: Object.assign(new Error('x'), { code: '53100' }) }),
    ],
  ])('is named in `failure` if it is that of %s, without the text of the error', (_whose, error) => {
    expect(isDiskFull(error)).toBe(true)
    expect(describeError(error, 'fault-1')).toBe(
      "The disk of this server or of its database is full. Free some space on it, then try again. The server's log has the details under the id fault-1.",
    )
  })

  it('is not assumed for other errors', () => {
    for (const error of [new Error('x'), errno('EIO'), new SluiceError('TIMEOUT'), 'text', undefined]) {
      expect(isDiskFull(error)).toBe(false)
    }
  })
})
