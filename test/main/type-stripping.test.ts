import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folders = ['src', 'packages', 'test', 'bench', 'torture', 'conform', 'examples', 'docs', 'supply-chain']

/** Why Node cannot run the file; undefined if it can. */
function stripError(file: string): string | undefined {
  try {
    stripTypeScriptTypes(readFileSync(join(root, file), 'utf8'))
    return undefined
  } catch (error) {
    return `${file}: ${(error as Error).message}`
  }
}

it('Node can strip the types of every file that it runs, which accepts less than the compiler and the test runner', () => {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name}`),
  )
  expect(files.length).toBeGreaterThan(400)
  expect(files.map(stripError).filter((error) => error !== undefined)).toEqual([])
})
