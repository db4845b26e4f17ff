import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { projectFolder } from '@sluice/testkit/launch.ts'
import { expect, it } from 'vitest'

const startOn = (property: string) => {
  const script = `${property}; require(${JSON.stringify(join(projectFolder, 'src/node-version.cjs'))})`
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  return { status, lines: stderr.trim().split('\n') }
}

it('the start on Windows says in one line that WSL is needed, and exits with 78', () => {
  const { status, lines } = startOn(`Object.defineProperty(process, 'platform', { value: 'win32' })`)
  expect(status).toBe(78)
  expect(lines).toEqual([expect.stringContaining('wsl --install')])
})

it('the start on an old Node names both versions and what to do, and exits with 78', () => {
  const { status, lines } = startOn(`Object.defineProperty(process, 'versions', { value: { node: '20.1.0' } })`)
  expect(status).toBe(78)
  expect(lines.join('\n')).toMatch(/needs Node 24 or newer.*npm ci/s)
})
