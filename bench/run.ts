import { loadavg } from 'node:os'
import { sql } from 'kysely'
import { execute } from '../src/sql.ts'
import { openBareInsert } from './bare.ts'
import { measureExport } from './export.ts'
import { measureGenerated } from './generated.ts'
import { measureFiles, measureTasks } from './imports.ts'
import { measureLatency } from './latency.ts'
import { countCalls } from './measure.ts'
import { readOptions } from './options.ts'
import { exportReport, keysReport, report, rowsReport } from './report.ts'
import { measureRows } from './rows.ts'
import { writeMain } from './sections.ts'
import { setStage, withDataFolder } from './stage.ts'
import { measurePostgres, measureReady } from './startup.ts'

const defaults = {
  keys: '1000000',
  files: '100000',
  tasks: '20000',
  rows: '1000000',
  exports: '20000',
  syncs: '50',
  rounds: '3',
}

const usage = `npm run bench -- [options]
Measures imports, exports and the start of syncs.
  --keys N     number of keys in the FILES import from a generated listing (default ${defaults.keys})
  --files N    number of objects in the FILES import (default ${defaults.files})
  --tasks N    number of objects in the TASKS import (default ${defaults.tasks})
  --rows N     number of rows in one JSON Lines file and one Parquet file (default ${defaults.rows})
  --exports N  number of annotations in the export (default ${defaults.exports})
  --syncs N    number of syncs of a storage with one object, which measure the start (default ${defaults.syncs})
  --rounds N   rounds of each import and start; the report contains the median (default ${defaults.rounds})
  --only keys|rows|exports   measure only this part, and do not write bench/RESULTS.md
The command prints a report. If all sizes are the defaults, it also writes the report to bench/RESULTS.md.`

const { values, isWhole } = readOptions(usage, defaults, ['only'])
const [files, tasks, exports, syncs, rounds] = [
  values.files,
  values.tasks,
  values.exports,
  values.syncs,
  values.rounds,
].map(Number) as [number, number, number, number, number]

if (values.only !== undefined && !['keys', 'rows', 'exports'].includes(values.only)) {
  console.error(`--only ${values.only} is unknown. Use keys, rows or exports.`)
  process.exit(64)
}
const load = loadavg()[0]!
countCalls()
const say = (words: string) => console.error(`… ${words}`)
say('starts')
if (values.only === 'keys') {
  await withDataFolder(async (dataDir) => {
    const stage = await setStage(dataDir)
    const insert = await openBareInsert(stage.app.databaseUrl)
    console.log(keysReport(await measureGenerated(stage, insert, Number(values.keys)), load))
    await insert.close()
    await stage.stop()
  })
  process.exit()
}
if (values.only === 'rows') {
  await withDataFolder(async (dataDir) => {
    const stage = await setStage(dataDir)
    const insert = await openBareInsert(stage.app.databaseUrl)
    console.log(rowsReport(await measureRows(stage, insert, { small: 10_000, count: Number(values.rows) })))
    await insert.close()
    await stage.stop()
  })
  process.exit()
}
if (values.only === 'exports') {
  await withDataFolder(async (dataDir) => {
    const stage = await setStage(dataDir)
    console.log(exportReport(await measureExport(stage, { count: exports, rounds })))
    await stage.stop()
  })
  process.exit()
}
const ready = await measureReady(rounds)
const postgres = await measurePostgres(rounds)
const findings = await withDataFolder(async (dataDir) => {
  const stage = await setStage(dataDir)
  try {
    const insert = await openBareInsert(stage.app.databaseUrl)
    const [version] = await execute<{ server_version: string }>(stage.app.orm.em, sql`show server_version`)
    say(`${values.rows} rows of one file`)
    const rows = await measureRows(stage, insert, { small: 10_000, count: Number(values.rows) })
    say('latency')
    const latencies = await measureLatency(stage, syncs)
    say(`${values.keys} keys`)
    const keys = await measureGenerated(stage, insert, Number(values.keys))
    say(`${files} files`)
    const filesFound = await measureFiles(stage, insert, { count: files, rounds })
    say(`${tasks} task files`)
    const tasksFound = await measureTasks(stage, { count: tasks, rounds })
    say(`${exports} exports`)
    const exportsFound = await measureExport(stage, { count: exports, rounds })
    await insert.close()
    return {
      latencies,
      keys,
      files: filesFound,
      tasks: tasksFound,
      rows,
      exports: exportsFound,
      postgresVersion: version!.server_version,
    }
  } finally {
    await stage.stop()
  }
})
const text = report({ ...findings, load, rounds, ready, postgres })
console.log(text)
if (isWhole) writeMain(text)
process.exit()
