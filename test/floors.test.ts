import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src/', import.meta.url))

/** Who may import whom: rooms and files of src by floor, each only what is below. */
const floors = [
  ['batch', 'clock-step', 'config', 'errors', 'json', 'logger', 'or-abort', 'quota', 'rate', 'sql', 'stream', 'turns'],
  ['security'],
  ['entities', 'providers'],
  ['connect', 'database', 'events', 'queue'],
  ['annotate', 'auth', 'resolve', 'storages', 'sync', 'webhooks'],
  ['dashboard', 'graphql', 'http', 'jobs'],
  ['app', 'main', 'node-version', 'worker'],
]

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|cjs)$/.test(name))
const roomOf = (file: string) => file.split('/')[0]!.replace(/\.(ts|cjs)$/, '')
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room))

/** Files of src that a file imports, types included, statically or not. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8')
  return [...text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'(\.[^']+)'/g)].map(([, path]) =>
    normalize(join(dirname(file), path!)),
  )
}

describe('the source', () => {
  it('has a floor for every room', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => floorOf(room) === -1)).toEqual([])
  })

  it('imports only from lower floors, and never from another room of the same floor', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => roomOf(target) !== roomOf(file) && floorOf(roomOf(target)) >= floorOf(roomOf(file)))
        // The top floor knows all, itself too.
        .filter(() => floorOf(roomOf(file)) < floors.length - 1)
        .map((target) => `${file} → ${target}`),
    )
    expect(wrong).toEqual([])
  })

  it('reads the environment in one place only', () => {
    const readers = files.filter((file) => readFileSync(join(src, file), 'utf8').includes('process.env'))
    expect(readers.filter((file) => !['main.ts', 'config.ts', 'database/cluster.ts'].includes(file))).toEqual([])
  })
})
