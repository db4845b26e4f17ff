import { describe, expect, it } from 'vitest'
import { ApiError, ConnectionError } from '../../packages/client/errors.ts'
import { type ResumeOptions, resume } from '../../packages/client/resume.ts'

type Message = Record<string, unknown>

const event = (cursor: number) => ({ storageChanged: { cursor: String(cursor) } })
const state = (status: string) => ({ syncRunChanged: { status } })
const lost = () => new ConnectionError('lost')

/** Connections that yield messages and then throw, one after another; `positions` are where they were opened. */
function connections(...scripts: (Message | Error)[][]) {
  const positions: (string | undefined)[] = []
  const open = async function* (after: string | undefined, signal: AbortSignal): AsyncGenerator<Message> {
    positions.push(after)
    for (const item of scripts[positions.length - 1] ?? []) {
      if (item instanceof Error) throw item
      yield item
    }
    if (scripts.length > positions.length - 1) return
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  return { open, positions }
}

/** The messages until the stream ends, and its error. */
async function read(open: Parameters<typeof resume>[0], options: Partial<ResumeOptions> = {}) {
  const seen: Message[] = []
  const signal = new AbortController().signal
  try {
    for await (const message of resume(open, { after: undefined, signal, silenceMs: 60_000, ...options })) {
      seen.push(message)
    }
    return { seen, error: undefined }
  } catch (error) {
    return { seen, error }
  }
}

const denied = new ApiError({ code: 'NOT_FOUND', message: 'There is no such project.' })

describe('resume', () => {
  it('continues after the last cursor when a connection is lost', async () => {
    const { open, positions } = connections([event(1), event(2), lost()], [lost()], [event(3), denied])
    expect(await read(open)).toEqual({ seen: [event(1), event(2), event(3)], error: denied })
    expect(positions).toEqual([undefined, '2', '2'])
  })

  it('starts at the given position', async () => {
    const { open, positions } = connections([event(8), denied])
    await read(open, { after: '7' })
    expect(positions).toEqual(['7'])
  })

  it('continues when the server completes a stream of events, as a server that stops does', async () => {
    const { open, positions } = connections([event(1)], [denied])
    expect(await read(open)).toEqual({ seen: [event(1)], error: denied })
    expect(positions).toEqual([undefined, '1'])
  })

  it('starts a stream without cursors again when its connection is lost, and ends when the server completes it', async () => {
    const { open, positions } = connections([state('QUEUED'), lost()], [state('IN_PROGRESS'), state('COMPLETED')])
    expect(await read(open)).toEqual({
      seen: [state('QUEUED'), state('IN_PROGRESS'), state('COMPLETED')],
      error: undefined,
    })
    expect(positions).toEqual([undefined, undefined])
  })

  it('does not retry the first connection', async () => {
    const { open, positions } = connections([lost()], [event(1)])
    expect((await read(open)).error).toBeInstanceOf(ConnectionError)
    expect(positions).toHaveLength(1)
  })

  it('does not retry an error of the server, except INTERNAL and rate limits', async () => {
    const internal = new ApiError({ code: 'INTERNAL', message: 'An internal error occurred.' })
    const limited = new ApiError({ code: 'TOO_MANY_REQUESTS', message: 'Wait.', retryAfterSeconds: 0.01 })
    const waits: number[] = []
    const { open } = connections([event(1), internal], [limited], [event(2), denied])
    const onRetry = (_error: Error, waitMs: number) => waits.push(waitMs)
    expect(await read(open, { onRetry })).toEqual({ seen: [event(1), event(2)], error: denied })
    expect(waits[0]).toBeLessThanOrEqual(250)
    expect(waits[1]).toBe(10)
  })

  it('reconnects when a stream with cursors is silent', async () => {
    let opened = 0
    const silent = async function* (_after: string | undefined, signal: AbortSignal): AsyncGenerator<Message> {
      if (++opened > 1) throw denied
      yield event(1)
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    expect(await read(silent, { silenceMs: 20 })).toEqual({ seen: [event(1)], error: denied })
    expect(opened).toBe(2)
  })

  it('stops with the reason of its signal while it waits for the next connection', async () => {
    const { open } = connections([event(1), lost()])
    const controller = new AbortController()
    const onRetry = () => controller.abort(new Error('enough'))
    const { error } = await read(open, { signal: controller.signal, onRetry })
    expect(error).toMatchObject({ message: 'enough' })
  })
})
