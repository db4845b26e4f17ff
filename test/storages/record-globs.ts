/**
 * Records in globs.json which keys bash matches with which patterns: `node test/storages/record-globs.ts`. It needs bash 5.2 or later
 * and the locale C.UTF-8.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { keys, patterns } from './glob-table.ts'

const folder = mkdtempSync(join(tmpdir(), 'globs-'))
try {
  for (const key of keys) {
    mkdirSync(dirname(join(folder, key)), { recursive: true })
    writeFileSync(join(folder, key), '')
  }
  // Object keys have no hidden files, so `*` also matches a dot at the start.
  const options = 'shopt -u extglob; shopt -s globstar dotglob nullglob'
  const matchesOf = (pattern: string) => {
    const script = `${options}; set -- ${pattern}; [ $# -eq 0 ] || printf '%s\\0' "$@"`
    const output = execFileSync('bash', ['--norc', '-c', script], {
      ...({ cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] } as const),
      env: { LC_ALL: 'C.UTF-8' },
    })
    const matches = new Set(output.split('\0'))
    return keys.filter((key) => matches.has(key))
  }
  const recorded = Object.fromEntries(patterns.map((pattern) => [pattern, matchesOf(pattern)]))
  writeFileSync(new URL('globs.json', import.meta.url), `${JSON.stringify(recorded, null, 2)}\n`)
} finally {
  rmSync(folder, { recursive: true })
}
