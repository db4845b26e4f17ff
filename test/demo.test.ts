import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'

let dataDir: string

beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sluice-demo-test-'))
  chmodSync(dataDir, 0o755)
})

afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

async function runDemo(...args: string[]) {
  const child = spawn(process.execPath, ['examples/demo.ts', '--exit', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { output, errors, code }
}

/** The numbers of each row of the demo's tables: listed, created, existed, issues, skipped. */
const rows = (output: string) =>
  [...output.matchAll(/^ {2}(\w+) +COMPLETED\w* +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +[\d.]+$/gm)].map(
    ([, title, ...numbers]) => [title, ...numbers.map(Number)],
  )

it('the demo imports everything the first time, and creates nothing in a later run on the same data folder', async () => {
  const first = await runDemo('--data-dir', dataDir)
  expect(first).toMatchObject({ code: 0, errors: '' })
  const again = [
    ['Pictures', 245, 0, 240, 0, 5],
    ['Questions', 80, 0, 79, 1, 0],
  ]
  expect(rows(first.output)).toEqual([['Pictures', 245, 240, 0, 0, 5], ['Questions', 80, 79, 0, 1, 0], ...again])
  expect(first.output).toContain('the project has 319 tasks, 0 before')
  expect(first.output).toContain('NOT_JSON in tasks/task-broken.json')
  expect(first.output.match(/bytes, the same as in the bucket/g)).toHaveLength(3)

  const second = await runDemo('--data-dir', dataDir)
  expect(second).toMatchObject({ code: 0, errors: '' })
  expect(rows(second.output)).toEqual([...again, ...again])
  expect(second.output).toContain('the project has 319 tasks, 319 before')
})

it('the demo reports wrong options and exits with code 1', async () => {
  expect(await runDemo('--images', 'many')).toMatchObject({ code: 1, errors: expect.stringContaining('pictures') })
})
