import { environment } from '@sluice/testkit/egress.ts'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createConnections, sealSecrets } from '../src/connect.ts'
import type { Provider } from '../src/providers/provider.ts'
import { providers } from '../src/providers/registry.ts'
import { createSealer } from '../src/security/seal.ts'

describe('connections to storages', () => {
  const sealer = createSealer('a key of at least thirty-two characters')
  const closed: Provider[] = []
  const opened = vi.spyOn(providers.LOCAL_FILES, 'open')
  const row = {
    id: 1,
    project: 1,
    direction: 'IMPORT',
    provider: 'LOCAL_FILES' as const,
    location: { path: 'a' },
    secrets: null,
    updatedAt: new Date(1),
  }

  beforeEach(() => {
    closed.length = 0
    opened.mockClear()
  })
  opened.mockImplementation(async () => {
    const provider = { close: () => void closed.push(provider) } as unknown as Provider
    return provider
  })
  const create = (idleMs: number) => createConnections({ sealer, environment }, { idleMs })

  it('share one client of a storage among concurrent and consecutive users', async () => {
    const { connect, stop } = create(60_000)
    const [one, two] = await Promise.all([connect(row), connect(row)])
    one.close()
    two.close()
    two.close()
    const three = await connect(row)
    expect(opened).toHaveBeenCalledTimes(1)
    expect(closed).toEqual([])
    stop()
    expect(closed).toEqual([])
    three.close()
    await vi.waitFor(() => expect(closed).toHaveLength(1))
  })

  it('open a new client after the settings have changed', async () => {
    const { connect, stop } = create(60_000)
    const before = await connect(row)
    const after = await connect({ ...row, updatedAt: new Date(2) })
    expect(opened).toHaveBeenCalledTimes(2)
    before.close()
    after.close()
    stop()
    await vi.waitFor(() => expect(closed).toHaveLength(2))
  })

  it('open a new client after the clock of this machine was set, because sessions and tokens would end at the wrong time', async () => {
    const state = { now: 0, elapsed: 0 }
    const clocks = { now: () => state.now, elapsed: () => state.elapsed }
    const { connect, stop } = createConnections({ sealer, environment }, { clocks })
    const before = await connect(row)
    Object.assign(state, { now: 3_600_000, elapsed: 3_600_000 })
    ;(await connect(row)).close()
    expect(opened, 'while time passes').toHaveBeenCalledTimes(1)
    state.now += 24 * 3_600_000
    const after = await connect(row)
    expect(opened, 'after a step').toHaveBeenCalledTimes(2)
    expect(closed, 'who uses the old one keeps it').toEqual([])
    before.close()
    after.close()
    stop()
    await vi.waitFor(() => expect(closed).toHaveLength(2))
  })

  it('close a client that is idle', async () => {
    const { connect } = create(1)
    const provider = await connect(row)
    provider.close()
    await vi.waitFor(() => expect(closed).toHaveLength(1))
  })

  it('cache no client that failed to open, and share no client of an unsaved storage', async () => {
    const { connect } = create(60_000)
    opened.mockRejectedValueOnce(new Error('no'))
    await expect(connect(row)).rejects.toThrow('no')
    const provider = await connect(row)
    provider.close()
    const candidate = { provider: row.provider, location: row.location, readSecrets: () => ({}) }
    const first = await connect(candidate)
    const second = await connect(candidate)
    first.close()
    second.close()
    expect(closed).toHaveLength(2)
    expect(opened).toHaveBeenCalledTimes(4)
  })

  it('say what to do when the secret key has changed', async () => {
    const secrets = sealSecrets(createSealer('another key of at least thirty-two characters'), { password: 'x' }, row)
    await expect(create(1).connect({ ...row, secrets })).rejects.toMatchObject({
      code: 'BAD_CREDENTIALS',
      message: expect.stringContaining('Enter them again'),
    })
  })
})
