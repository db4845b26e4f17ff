import { loadavg } from 'node:os'
import { createProject, createStorage } from '../test/support/scenario.ts'
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
What grows with the number of objects, and how: bytes, blocks, log, processor time. One storage is grown by real syncs.
  --sizes A,B,C    objects of the storage, one after the other (default ${defaults.sizes})
  --missing N      objects that go missing at each size, and come back (default ${defaults.missing})
  --deletes A,B    objects of storages and projects that are deleted (default ${defaults.deletes})
  --events N       lines of the event log when it is shortened (default ${defaults.events})
The tables are printed. With the defaults they also go into bench/RESULTS.md.`

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
