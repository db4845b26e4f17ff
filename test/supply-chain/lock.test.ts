import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Lock, lockFaults, type Manifest, nodeBinaryFaults, thirdPartyPackages } from '../../supply-chain/lock.ts'
import { type Policy, parsePolicy } from '../../supply-chain/policy.ts'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const manifest = (): Manifest => JSON.parse(read('package.json'))
const lock = (): Lock => JSON.parse(read('package-lock.json'))
const policy = (): Policy => parsePolicy(read('docs/dependencies.md'))

describe('package.json and package-lock.json', () => {
  it('are as docs/dependencies.md has them: versions, licences, hashes, install scripts', () => {
    expect(lockFaults(manifest(), lock(), policy())).toEqual([])
    expect(policy().reviewed.size).toBeGreaterThan(50)
  })

  it('have a hash for every package of every platform', () => {
    const packages = thirdPartyPackages(lock())
    const withoutHash = Object.keys(packages).filter((path) => !packages[path]!.integrity?.startsWith('sha512-'))
    expect(withoutHash).toEqual([])
    for (const platform of ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64']) {
      expect(Object.keys(packages)).toContain(`node_modules/@biomejs/cli-${platform}`)
    }
  })

  it('name no registry and no other source', () => {
    expect(read('package-lock.json')).not.toMatch(/https?:\/\/[^"]+\.tgz|git\+|file:/)
    expect(read('.npmrc')).not.toMatch(/^\s*(@[^:]+:)?registry\s*=|_auth/m)
    expect(read('.npmrc')).toMatch(/^omit-lockfile-registry-resolved=true$/m)
  })
})

describe('the comparison with the policy', () => {
  const direct = 'node_modules/ws'
  const nested = 'node_modules/@azure/core-auth'
  const changes: [string, (parts: { manifest: Manifest; lock: Lock; policy: Policy }) => void, RegExp][] = [
    ['a range', ({ manifest }) => (manifest.dependencies!.ws = '^8.23.0'), /not an exact version/],
    ['an unreviewed version', ({ lock }) => (lock.packages[direct]!.version = '8.23.1'), /8\.23\.1/],
    ['an unknown package', ({ policy }) => policy.reviewed.delete('ws'), /nobody has reviewed/],
    ['a row without a package', ({ manifest }) => delete manifest.dependencies!.ws, /package\.json does not/],
    ['a row without a reason', ({ policy }) => (policy.reviewed.get('ws')!.reason = ''), /no reason/],
    ['another licence', ({ lock }) => (lock.packages[direct]!.license = 'ISC'), /its licence is ISC/],
    ['a licence that is not allowed', ({ lock }) => (lock.packages[nested]!.license = 'SSPL-1.0'), /SSPL-1\.0/],
    ['a licence for development only', ({ lock }) => (lock.packages[nested]!.license = 'MPL-2.0'), /MPL-2\.0/],
    ['a missing licence', ({ lock }) => delete lock.packages[nested]!.license, /licence undefined/],
    ['a missing hash', ({ lock }) => delete lock.packages[nested]!.integrity, /no SHA-512/],
    ['a weak hash', ({ lock }) => (lock.packages[nested]!.integrity = 'sha1-aaaa'), /no SHA-512/],
    ['a git URL', ({ lock }) => (lock.packages[nested]!.resolved = 'git+ssh://git@x/y.git#1'), /registry/],
    ['a linked folder', ({ lock }) => (lock.packages[nested]!.link = true), /registry/],
    [
      'a link out of packages/',
      ({ lock }) => (lock.packages['node_modules/@sluice/testkit']!.resolved = '../x'),
      /registry/,
    ],
    [
      'a version that only a workspace uses',
      ({ lock }) => (lock.packages['packages/testkit']!.dependencies = { ws: '8.0.0' }),
      /packages\/testkit: ws 8\.0\.0 is not in package\.json/,
    ],
    ['a new install script', ({ lock }) => (lock.packages[nested]!.hasInstallScript = true), /install script/],
    ['an approved script more', ({ manifest }) => (manifest.allowScripts!.ws = true), /install script/],
    ['an approved script less', ({ manifest }) => (manifest.allowScripts!.node = false), /install script/],
    ['a stale lock file', ({ lock }) => delete lock.packages['']!.dependencies!.ws, /other dependencies/],
  ]

  it.each(changes)('finds %s', (_name, change, expected) => {
    const parts = { manifest: manifest(), lock: lock(), policy: policy() }
    change(parts)
    expect(lockFaults(parts.manifest, parts.lock, parts.policy).join('\n')).toMatch(expected)
  })
})

describe('the Node binary', () => {
  const nestedLock = 'node_modules/node/node_modules/.package-lock.json'

  it('that was installed has the reviewed hash', () => {
    const nested = JSON.parse(read(nestedLock)) as Lock
    expect(Object.keys(nested.packages).length).toBeGreaterThan(1)
    expect(nodeBinaryFaults(nested, policy())).toEqual([])
  })

  it('of another version or with another hash is found', () => {
    for (const change of [
      { version: '24.21.1' },
      { integrity: `sha512-${'A'.repeat(86)}==` },
      { integrity: undefined },
    ]) {
      const nested = JSON.parse(read(nestedLock)) as Lock
      for (const path of Object.keys(nested.packages)) Object.assign(nested.packages[path]!, change)
      expect(nodeBinaryFaults(nested, policy()).length).toBe(Object.keys(nested.packages).length)
    }
  })
})
