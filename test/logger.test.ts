import { describe, expect, it } from 'vitest'
import { SluiceError } from '../src/errors.ts'
import { createLogger } from '../src/logger.ts'

/** What a logger writes while `work` uses it. */
function written(work: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = []
  work(createLogger('trace', { write: (line: string) => void lines.push(line) }))
  return lines.join('')
}

it('a log line of an error has the message, code and causes of Sluice, and nothing that a library added', () => {
  const cause = new SluiceError('UNREACHABLE', 'no route', { remote: { status: 503, code: 'SlowDown' } })
  const error = Object.assign(new SluiceError('TIMEOUT', 'it broke', { cause }), { client: { secretKey: 'hidden-1' } })
  const text = written((logger) => logger.warn({ err: error }, 'the queue lost a connection'))
  expect(text).not.toContain('hidden-1')
  const line = JSON.parse(text)
  expect(line).toMatchObject({ msg: 'the queue lost a connection', err: { code: 'TIMEOUT', message: 'it broke' } })
  expect(line.err.causes).toMatchObject([{ code: 'UNREACHABLE', message: 'no route (status 503, SlowDown)' }])
  expect(line.err.stack).toContain('logger.test.ts')
})

describe('errors of libraries', () => {
  const leak = 'bytes-of-a-remote-server'
  class ServiceError extends Error {}
  it.each([
    ['the message', new ServiceError(leak)],
    ['a name', Object.assign(new Error('x'), { name: leak })],
    ['a code', Object.assign(new Error('x'), { code: leak })],
    ['a code that looks like one of Node', Object.assign(new Error('x'), { code: `ERR_${leak.toUpperCase()}` })],
    ['a message that was set later', Object.assign(new Error('x'), { message: leak })],
    ['the stack', Object.assign(new Error('x'), { stack: `Error: x\n    at ${leak}\n` })],
    ['a message that looks like a stack', new ServiceError(`x\n    at ${leak} (/app/src/main.ts:1:1)`)],
    ['the message of a TypeError', new TypeError(leak)],
    ['the message of a SyntaxError', new SyntaxError(leak)],
    ['a cause', new SluiceError('DENIED', undefined, { cause: new ServiceError(leak) })],
    ['something thrown that is no error', { message: leak }],
  ])('%s is not logged', (_name, error) => {
    const text = written((logger) => logger.warn({ err: error }, 'failed'))
    expect(text).toContain('failed')
    expect(text.toLowerCase()).not.toContain(leak)
  })

  it('a system error keeps its code', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED', errno: -111 })
    expect(JSON.parse(written((logger) => logger.warn({ err: error }))).err.code).toBe('ECONNREFUSED')
  })
})

it('a thrown value that is no error is logged as text', () => {
  expect(written((logger) => logger.error({ err: 'plain' }))).toContain('"err":"plain"')
})

it('fields that can hold a secret are blanked', () => {
  const text = written((logger) => logger.info({ token: 'hidden-2', storage: { secretAccessKey: 'hidden-3' } }))
  expect(text).not.toMatch(/hidden/)
  expect(text).toContain('[secret]')
})
