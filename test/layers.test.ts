import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** Modules (folders and files of src) by layer. A module imports only from lower layers. */
const layers = [
  ['records', 'unknown'],
  [
    'adaptive',
    'batch',
    'clock-step',
    'config',
    'errors',
    'json',
    'logger',
    'or-abort',
    'quota',
    'rate',
    'sql',
    'read-rows',
    'stream',
    'turns',
  ],
  ['security', 'storage-settings'],
  ['providers'],
  ['entities'],
  ['connect', 'database', 'events', 'pacing', 'queue', 'task-files'],
  ['access', 'labeling', 'resolve', 'runs', 'storages', 'webhooks'],
  ['export', 'import'],
  ['graphql', 'http', 'jobs'],
  ['app', 'main', 'node-version'],
]

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|cjs)$/.test(name))
const moduleOf = (file: string) => file.split('/')[0]!.replace(/\.(ts|cjs)$/, '')
const layerOf = (module: string) => layers.findIndex((modules) => modules.includes(module))

/** Files of src that a file imports, types included, statically or not. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8')
  return [...text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'(\.[^']+)'/g)].map(([, path]) =>
    normalize(join(dirname(file), path!)),
  )
}

/** One cycle of files that import each other, the first file repeated at its end; empty if there is none. */
function findCycle(graph: Map<string, string[]>): string[] {
  const done = new Set<string>()
  const visit = (file: string, path: string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return []
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target, [...path, file])
      if (cycle.length > 0) return cycle
    }
    done.add(file)
    return []
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, [])
    if (cycle.length > 0) return cycle
  }
  return []
}

describe('the modules of src', () => {
  it('each belong to a layer', () => {
    expect([...new Set(files.map(moduleOf))].filter((module) => layerOf(module) === -1)).toEqual([])
  })

  it('import only from lower layers, never from another module of their own layer', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => moduleOf(target) !== moduleOf(file))
        .filter((target) => layerOf(moduleOf(target)) >= layerOf(moduleOf(file)))
        // The top layer assembles everything.
        .filter(() => layerOf(moduleOf(file)) < layers.length - 1)
        .map((target) => `${file} → ${target}`),
    )
    expect(wrong).toEqual([])
  })

  it('contain no cyclic imports between files', () => {
    expect(findCycle(new Map(files.map((file) => [file, importsOf(file)])))).toEqual([])
  })

  it('contain no cyclic imports between submodules, such as task-files/parquet', () => {
    const folderEdges = new Map<string, string[]>()
    const parents = new Set(files.map((file) => dirname(dirname(file))))
    // A file beside submodules stands for itself.
    const folderOf = (file: string) => (parents.has(dirname(file)) ? file : dirname(file))
    for (const file of files) {
      const from = folderOf(file)
      const targets = importsOf(file).map(folderOf)
      folderEdges.set(from, [...(folderEdges.get(from) ?? []), ...targets.filter((to) => to !== from)])
    }
    expect(findCycle(folderEdges)).toEqual([])
  })

  it('read the environment in one place only', () => {
    const readers = files.filter((file) => readFileSync(join(src, file), 'utf8').includes('process.env'))
    expect(readers.filter((file) => !['main.ts', 'config.ts', 'database/cluster.ts'].includes(file))).toEqual([])
  })
})
