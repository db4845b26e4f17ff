import { loadavg } from 'node:os'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { countCalls } from './measure.ts'
import { readOptions } from './options.ts'
import { measureConnections } from './scale-connections.ts'
import { measureDelete } from './scale-delete.ts'
import { measureEvents } from './scale-events.ts'
import { type AtSize, type Grown, measureSize } from './scale-phases.ts'
import { scaleReport } from './scale-report.ts'
import { type ScaleStage, setScaleStage } from './scale-stage.ts'
import { writeSection } from './sections.ts'
import { withDataFolder } from './stage.ts'

const defaults = { sizes: '10000,100000,1000000', missing: '5000', deletes: '20000,100000', events: '100000' }

const usage = `node bench/scale.ts [options]
Measures how bytes, database blocks, WAL and processor time grow with the number of objects. Real syncs fill one storage.
  --sizes A,B,C    numbers of objects in the storage, in ascending order (default ${defaults.sizes})
  --missing N      number of objects that disappear and reappear at each size (default ${defaults.missing})
  --deletes A,B    numbers of objects in the storages and projects to delete (default ${defaults.deletes})
  --events N       number of rows in the event log before pruning (default ${defaults.events})
The command prints tables. If all options are the defaults, it also writes them to bench/RESULTS.md.`

const { values, isWhole } = readOptions(usage, defaults)
const numbers = (list: string) => list.split(',').filter(Boolean).map(Number)
const say = (words: string) => console.error(`… ${words}`)

/** Connects a bucket of so many generated keys to a project of its own. */
async function connect({ client, endpoint }: ScaleStage, keys: number): Promise<Grown> {
  const project = await createProject(client, 'Scale')
  const location = { s3: { bucket: `keys-${keys}`, endpoint, accessKeyId: 'bench', secretAccessKey: 'bench' } }
  const { storage, message } = await createStorage(client, { projectId: project, importMethod: 'FILES', location })
  if (!storage) throw new Error(`The bucket could not be connected: ${message}`)
  return { project, storage: storage.id, databaseId: storage.databaseId }
}

const load = loadavg()[0]!
countCalls()
await withDataFolder(async (dataDir) => {
  const stage = await setScaleStage(dataDir)
  try {
    say('connections')
    const connections = await measureConnections(stage)
    const [first = 0, ...later] = numbers(values.sizes)
    const grown = await connect(stage, first)
    const sizes: AtSize[] = []
    for (const size of [first, ...later]) {
      say(`${size} objects`)
      sizes.push(await measureSize(stage, grown, { size, missing: Number(values.missing) }))
    }
    say('deletes')
    const deletes = []
    for (const size of numbers(values.deletes))
      deletes.push(await measureDelete(stage, await connect(stage, size), size))
    say('events')
    const events = await measureEvents(stage, grown, Number(values.events))
    const text = scaleReport({ load, connections, deletes, sizes, events })
    console.log(text)
    if (isWhole) writeSection('scale', text)
  } finally {
    await stage.stop()
  }
})
process.exit()
