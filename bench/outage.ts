// What a save takes while the bucket that it is exported to is up, and while it is down. By hand: `node bench/outage.ts`.
import { parseArgs } from 'node:util'
import { annotate, createTasks, updateAnnotation } from '@sluice/testkit/annotate.ts'
import { createTarget, objectsIn, pending } from '@sluice/testkit/exports.ts'
import { startFront } from '@sluice/testkit/s3-front.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { quantile } from './measure.ts'
import { type Stage, setStage, withDataFolder } from './stage.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, saves: { type: 'string', default: '1000' } },
})
const [seconds, saves] = [Number(values.seconds), Number(values.saves)]
const tasks = 200

/** Saves at an even pace for so many seconds, and gives the milliseconds that each of the saves took. */
async function save(stage: Stage, ids: string[], round: string, last: Map<string, string>): Promise<number[]> {
  const begun = performance.now()
  const took = Array.from({ length: saves }, async (_, n) => {
    const dueAt = begun + (n * seconds * 1_000) / saves
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())))
    const id = ids[n % ids.length]!
    const asked = performance.now()
    const { annotation, ...error } = await updateAnnotation(stage.client, { id, result: [`${round} ${n}`] })
    if (!annotation) throw new Error(`A save failed: ${JSON.stringify(error)}`)
    last.set(id, `${round} ${n}`)
    return performance.now() - asked
  })
  return Promise.all(took)
}

await withDataFolder(async (folder) => {
  const stage = await setStage(folder)
  const front = await startFront({ target: stage.s3.endpoint })
  await stage.s3.createBucket('outage')
  const projectId = await createProject(stage.client)
  const { storage } = await createTarget(stage.client, {
    projectId,
    location: {
      s3: { bucket: 'outage', prefix: 'out', endpoint: front.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' },
    },
  })
  const made = await annotate(
    stage.client,
    await createTasks(
      stage.client,
      projectId,
      Array.from({ length: tasks }, (_, n) => ({ n })),
    ),
  )
  const ids = made.map(({ id }) => id)
  const drained = async () => {
    const since = performance.now()
    while ((await pending(stage.client, storage.id)).count > 0) await new Promise((resolve) => setTimeout(resolve, 100))
    return (performance.now() - since) / 1_000
  }
  const last = new Map<string, string>()
  await drained()
  await save(stage, ids, 'warm', last)
  const up = await save(stage, ids, 'up', last)
  await drained()
  const outage = front.fail({ reset: true, times: Infinity })
  const down = await save(stage, ids, 'down', last)
  const waiting = await pending(stage.client, storage.id)
  outage.release()
  const after = await drained()

  const objects = await objectsIn(stage.s3, 'outage')
  const wrong = made.filter(({ id, databaseId }) => objects[`out/${databaseId}.json`]?.result?.[0] !== last.get(id))
  const line = (name: string, all: number[]) =>
    `${name}: ${all.length} saves in ${seconds} s, p50 ${quantile(all).toFixed(1)} ms, p95 ${quantile(all, 0.95).toFixed(1)} ms, most ${Math.max(...all).toFixed(1)} ms`
  console.log(line('bucket up', up))
  console.log(line('bucket down', down))
  console.log(
    `pending when it came back: ${waiting.count} (${waiting.failure}); all written ${after.toFixed(1)} s later`,
  )
  console.log(`${Object.keys(objects).length} objects, ${wrong.length} of them not the last version`)
  process.exitCode = wrong.length === 0 && outage.hits > 0 ? 0 : 1
  await front.stop()
  await stage.stop()
})
process.exit()
