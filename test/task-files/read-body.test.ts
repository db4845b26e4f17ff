import { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
import { PacedBody } from '../../src/providers/kit/paced.ts'
import { readWhole } from '../../src/task-files/read-body.ts'

const open = () => new Readable({ read() {} }).on('error', () => {})

const read = async (body: Readable, length: number) => {
  let counted = 0
  const countRead = (count: number) => {
    counted += count
  }
  const reopen = async () => {
    throw new SluiceError('BODY_CUT')
  }
  const { bytes, fault } = await readWhole({ body, length }, { countRead, reopen })
  return { text: bytes.toString(), counted, code: (fault as { code?: string } | undefined)?.code }
}

describe('a body that is read as a whole', () => {
  it('is TIMEOUT if it is too slow, but not while it waits for the limit of its storage', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const slow = read(open(), 2)
    await vi.advanceTimersByTimeAsync(61_000)
    expect(await slow).toMatchObject({ code: 'TIMEOUT' })

    const turn = Promise.withResolvers<void>()
    const pace = { request: () => undefined, receive: () => turn.promise, limitsBytes: true }
    const paced = read(new PacedBody(Readable.from([Buffer.from('ha')]), pace), 2)
    await vi.advanceTimersByTimeAsync(600_000)
    turn.resolve()
    expect(await paced).toEqual({ text: 'ha', counted: 2, code: undefined })
  })

  it('returns its bytes, counted once', async () => {
    expect(await read(Readable.from([Buffer.from('whole')]), 5)).toEqual({ text: 'whole', counted: 5, code: undefined })
  })

  it('is BODY_CUT if it ends early, breaks off or is aborted', async () => {
    expect(await read(Readable.from([Buffer.from('ha')]), 4)).toEqual({ text: 'ha', counted: 2, code: 'BODY_CUT' })
    for (const error of [Object.assign(new Error('reset'), { code: 'ECONNRESET' }), undefined]) {
      const body = open()
      body.push('ha')
      body.once('data', () => setImmediate(() => body.destroy(error)))
      expect(await read(body, 4)).toEqual({ text: 'ha', counted: 2, code: 'BODY_CUT' })
    }
  })

  it('is BODY_CUT if it broke off before it was read', async () => {
    for (const error of [Object.assign(new Error('reset'), { code: 'ECONNRESET' }), undefined]) {
      const body = open()
      const closed = new Promise((resolve) => body.once('close', resolve))
      body.destroy(error)
      await closed
      expect(await read(body, 4)).toEqual({ text: '', counted: 0, code: 'BODY_CUT' })
    }
  })
})
