import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Situation } from './check-table.ts'
import type { World } from './check-world.ts'

/** Folders below the root, and one outside of it. */
async function start({ app }: World) {
  const root = app.localRoot
  const outside = mkdtempSync(join(tmpdir(), 'sluice-outside-'))
  for (const folder of ['in', 'empty']) await mkdir(join(root, folder))
  await writeFile(join(root, 'in/a.json'), '{"n":1}')
  await writeFile(join(root, 'file'), 'x')
  await symlink(outside, join(root, 'out'))
  await symlink(root, join(root, 'itself'))
  return {
    keys: () => readdir(join(root, 'in')),
    stop: () => rmSync(outside, { recursive: true }),
  }
}

type Place = Awaited<ReturnType<typeof start>>
const at = (path: string) => ({ localFiles: { path } })
/** A place that is no more right for a target than for a source. */
const both = (what: string, step: string, code: string, path: string): Situation<Place>[] => [
  [what, step, code, () => ({ location: at(path) })],
  [`${what}, as a target`, step, code, () => ({ location: at(path), direction: 'EXPORT' })],
]

const situations: Situation<Place>[] = [
  ...both('a path that leaves the root', 'CONFIGURATION', 'LOCAL_PATH_OUTSIDE_ROOT', '../x'),
  ...both('a link that leaves the root', 'OPEN', 'LOCAL_PATH_OUTSIDE_ROOT', 'out'),
  ...both('the root', 'OPEN', 'LOCAL_PATH_IS_ROOT', 'in/..'),
  ...both('a link to the root', 'OPEN', 'LOCAL_PATH_IS_ROOT', 'itself'),
  ...both('no such folder', 'OPEN', 'LOCAL_PATH_MISSING', 'not-there'),
  ...both('a file', 'OPEN', 'LOCAL_PATH_MISSING', 'file'),
  ['an empty folder', 'FIND_OBJECT', 'EMPTY_PREFIX', () => ({ location: at('empty') })],
]

export const localChecks = {
  provider: 'LOCAL_FILES',
  start,
  situations,
  invalid: [['no path', 'localFiles.path', () => at('')]] as [string, string, () => Record<string, unknown>][],
  good: (place: Place) => ({ location: at('in'), keys: place.keys }),
  presigns: false,
  tellsTime: false,
}
