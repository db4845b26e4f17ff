import { launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'

const local = 'local: only this machine can connect; storages can be on this machine and in private networks'
const network = 'network: storages in loopback and private networks need an entry in EGRESS_ALLOWED'

describe('the line "Mode" of the start-up output', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  it.each([
    ['local', 'default settings', {}, local],
    ['network', 'HOST=0.0.0.0', { HOST: '0.0.0.0' }, network],
    ['network', 'a PUBLIC_URL that names another host', { PUBLIC_URL: 'https://sluice.example' }, network],
  ])('says %s with %s', async (_mode, _settings, env: Record<string, string>, words) => {
    const server = launch({ DATA_DIR: folder.path, EGRESS_ALLOWED: '', ...env })
    onTestFinished(() => void server.end('SIGKILL'))
    const output = await server.prints('Data folder')
    expect(output.match(/^ {2}Mode .*$/gm)).toEqual([`  Mode        ${words}`])
    expect((await server.end()).code).toBe(0)
  })
})
