import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { launch, temporaryFolder } from './launch.ts'

const local = 'local: answers this machine only; storages may be on it and in private networks'
const served = 'served: storages in loopback and private networks only where EGRESS_ALLOWED lists them'

describe('the line Mode of the start-up output', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  it.each([
    ['local', 'default settings', {}, local],
    ['served', 'HOST=0.0.0.0', { HOST: '0.0.0.0' }, served],
    ['served', 'a PUBLIC_URL that names another host', { PUBLIC_URL: 'https://sluice.example' }, served],
  ])('says %s with %s', async (_mode, _settings, env: Record<string, string>, words) => {
    const server = launch({ DATA_DIR: folder.path, EGRESS_ALLOWED: '', ...env })
    onTestFinished(() => void server.end('SIGKILL'))
    const output = await server.prints('Data folder')
    expect(output.match(/^ {2}Mode .*$/gm)).toEqual([`  Mode        ${words}`])
    expect((await server.end()).code).toBe(0)
  })
})
