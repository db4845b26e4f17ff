import { expect, it } from 'vitest'
import { createLogger } from '../src/logger.ts'

/** What a logger writes while `work` uses it. */
function written(work: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = []
  work(createLogger('trace', { write: (line: string) => void lines.push(line) }))
  return lines.join('')
}

it('a log line of an error tells its words, code and causes, and nothing that a library hung on it', () => {
  const cause = new Error('no route', { cause: undefined })
  const error = Object.assign(new Error('it broke', { cause }), {
    code: 'ECONNRESET',
    client: { secretKey: 'hidden-1' },
  })
  const text = written((logger) => logger.warn({ err: error }, 'the queue lost a connection'))
  expect(text).not.toContain('hidden-1')
  const line = JSON.parse(text)
  expect(line).toMatchObject({ msg: 'the queue lost a connection', err: { code: 'ECONNRESET' } })
  expect(line.err.message).toContain('it broke')
  expect(line.err.message).toContain('no route')
  expect(line.err.stack).toContain('logger.test.ts')
})

it('what is no error is logged as text', () => {
  expect(written((logger) => logger.error({ err: 'plain' }))).toContain('"err":"plain"')
})

it('fields that can hold a secret are blanked', () => {
  const text = written((logger) => logger.info({ token: 'hidden-2', storage: { secretAccessKey: 'hidden-3' } }))
  expect(text).not.toMatch(/hidden/)
  expect(text).toContain('[secret]')
})
