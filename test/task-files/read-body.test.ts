import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
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
  it('is its bytes, counted once', async () => {
    expect(await read(Readable.from([Buffer.from('whole')]), 5)).toEqual({ text: 'whole', counted: 5, code: undefined })
  })

  it('is cut when it ends early, breaks off, or is given up, and keeps what came before', async () => {
    expect(await read(Readable.from([Buffer.from('ha')]), 4)).toEqual({ text: 'ha', counted: 2, code: 'BODY_CUT' })
    for (const error of [Object.assign(new Error('reset'), { code: 'ECONNRESET' }), undefined]) {
      const body = open()
      body.push('ha')
      body.once('data', () => setImmediate(() => body.destroy(error)))
      expect(await read(body, 4)).toEqual({ text: 'ha', counted: 2, code: 'BODY_CUT' })
    }
  })

  it('is cut when it had broken off before anybody read it', async () => {
    for (const error of [Object.assign(new Error('reset'), { code: 'ECONNRESET' }), undefined]) {
      const body = open()
      const closed = new Promise((resolve) => body.once('close', resolve))
      body.destroy(error)
      await closed
      expect(await read(body, 4)).toEqual({ text: '', counted: 0, code: 'BODY_CUT' })
    }
  })
})
