import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { type Lock, thirdPartyPackages } from '../../supply-chain/lock.ts'

interface Component {
  name: string
  version: string
  hashes?: { alg: string; content: string }[]
  licenses?: unknown[]
  properties: { name: string; value: string }[]
}

it('npm run sbom lists every locked package with its hash, marks development, and needs no registry', async () => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9/' }
  const { stdout } = await promisify(execFile)('npm', ['run', '-s', 'sbom'], { cwd, env, maxBuffer: 2 ** 26 })
  const bill = JSON.parse(stdout) as { bomFormat: string; components: Component[] }
  const lock: Lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'))
  const locked = new Map(
    Object.entries(thirdPartyPackages(lock)).map(([path, info]) => [
      `${path.split('node_modules/').at(-1)}@${info.version}`,
      info,
    ]),
  )

  expect(bill.bomFormat).toBe('CycloneDX')
  const listed = bill.components.map(({ name, version }) => `${name}@${version}`)
  expect(listed.toSorted()).toEqual([...locked.keys()].toSorted())
  for (const { name, version, hashes, licenses, properties } of bill.components) {
    const { integrity, dev } = locked.get(`${name}@${version}`)!
    const hex = Buffer.from(integrity!.slice('sha512-'.length), 'base64').toString('hex')
    expect(hashes, name).toEqual([{ alg: 'SHA-512', content: hex }])
    if (!dev) expect(licenses, name).toHaveLength(1)
    expect(
      properties.some((one) => one.name === 'cdx:npm:package:development'),
      name,
    ).toBe(dev === true)
  }
})
