// Compares what we make of Parquet files of other writers with pyarrow's own reading; see docs/formats.md.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compareFile, filesIn } from './compare.ts'

const here = import.meta.dirname
const usage = `npm run formats -- [--only newest] [--folder FOLDER] [--record]

Creates a Python environment for each file in test/formats/requirements (all versions are pinned), writes Parquet files with
its libraries, and compares the imported rows with the rows that pyarrow reads. Needs python3 with venv.
  --only NAME      use only this environment
  --folder FOLDER  store environments and files in this folder; by default, the command removes them at the end
  --record         write small versions of the files in test/formats/recorded.txt to test/formats/recorded`
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    folder: { type: 'string' },
    record: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})
if (values.help) {
  console.log(usage)
  process.exit()
}
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'formats-'))
const known = readdirSync(join(here, 'requirements')).map((name) => name.replace('.txt', ''))
const names = values.only ? [values.only] : known

function run(command: string, parameters: string[], env: Record<string, string> = {}): void {
  const { status, error } = spawnSync(command, parameters, { stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')} failed: ${error?.message ?? status}`)
}

/** The python of an environment, which is made where it is missing. */
function environment(name: string): string {
  const path = join(folder, `env-${name}`)
  const python = join(path, 'bin/python')
  if (existsSync(join(path, 'complete'))) return python
  run('python3', ['-m', 'venv', path])
  run(python, ['-m', 'pip', 'install', '-q', '-r', join(here, 'requirements', `${name}.txt`)])
  mkdirSync(join(path, 'complete'))
  return python
}

let [files, faults, unknown] = [0, 0, 0]
try {
  const newest = environment('newest')
  for (const name of names) {
    const made = join(folder, `files-${name}`)
    rmSync(made, { recursive: true, force: true })
    run(environment(name), [join(here, 'generate.py'), made], values.record ? { SMALL: '1' } : {})
    run(newest, [join(here, 'expect.py'), made])
    for (const file of filesIn(made)) {
      const { difference, isKnown } = await compareFile(made, file)
      files++
      if (difference) faults++
      if (!isKnown) unknown++
      if (difference) console.log(`FAILED  ${name}: ${file}: ${difference}`)
    }
    if (values.record) keep(made)
  }
} finally {
  if (!values.folder) rmSync(folder, { recursive: true, force: true })
}
console.log(
  `${files} files: ${files - faults - unknown} as pyarrow reads them, ${unknown} that it cannot read, ${faults} failed`,
)
process.exit(faults > 0 || files === 0 ? 1 : 0)

function keep(made: string): void {
  const wanted = readFileSync(join(here, 'recorded.txt'), 'utf8').trim().split('\n')
  mkdirSync(join(here, 'recorded'), { recursive: true })
  for (const file of readdirSync(made)) {
    const isWanted = wanted.some((name) => file.startsWith(`${name}.parquet`))
    if (isWanted) copyFileSync(join(made, file), join(here, 'recorded', file))
  }
}
