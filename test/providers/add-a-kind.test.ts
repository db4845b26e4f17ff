import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
let copy: string

/** Runs a script of the copy and returns what it printed, also if it failed. */
async function run(...args: string[]): Promise<string> {
  const ended = promisify(execFile)(process.execPath, args, { cwd: copy, maxBuffer: 2 ** 26 })
  const { stdout, stderr } = await ended.catch((error: { stdout: string; stderr: string }) => error)
  return stdout + stderr
}

// Does what docs/adding-a-provider.md says, in a copy of the project.
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'sluice-kind-'))
  for (const name of ['src', 'conform', 'packages', 'package.json', 'docs', '.ci']) {
    cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  mkdirSync(join(copy, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@sluice') symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name))
  }
  symlinkSync('../packages', join(copy, 'node_modules/@sluice'))

  const folder = join(copy, 'src/providers/memory')
  mkdirSync(folder)
  for (const name of ['kind.ts', 'client.ts']) {
    const text = readFileSync(join(root, 'test/providers/memory-kind', name), 'utf8')
    const moved = text.replaceAll('../../../src/providers/', '../').replaceAll('../../../src/', '../../')
    writeFileSync(join(folder, name), moved)
  }
  const registry = join(copy, 'src/providers/registry.ts')
  const text = readFileSync(registry, 'utf8')
  const withLine = text.replace('  S3: s3,\n', '  S3: s3,\n  MEMORY: memory,\n')
  writeFileSync(registry, `import { memory } from './memory/kind.ts'\n${withLine}`)
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('a kind of storage that a folder and a line in registry.ts add', () => {
  it('passes the conformance checks with grade A', async () => {
    const output = await run('conform/run.ts', 'memory', '--bucket', 'pictures')
    expect(output).toMatch(/grade.*\bA\b/i)
  })

  it('is in the GraphQL schema: enum, location, input', async () => {
    await run('src/graphql/print.ts')
    const schema = readFileSync(join(copy, 'schema.graphql'), 'utf8')
    expect(schema).toMatch(/^ {2}MEMORY$/m)
    expect(schema).toMatch(/^union StorageLocation = .*MemoryLocation/m)
    expect(schema).toMatch(/^ {2}memory: MemoryLocationInput$/m)
  })

  it('has its own limit for the names of exports', async () => {
    const script = `
      import { keyFor } from './src/storages/export-name.ts'
      const storage = { provider: 'MEMORY', location: { bucket: 'b', prefix: 'p'.repeat(1020) }, nameTemplate: null, exportFormat: 'TASK' }
      try { keyFor(storage, { projectId: 1, taskId: 1, innerId: 1, sourceKey: null }) } catch (error) { console.log(error.code) }`
    expect(await run('--input-type=module', '-e', script)).toBe('KEY_TOO_LONG\n')
  })
})
