import { availableParallelism } from 'node:os'
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { createTarget, exportAll } from '@sluice/testkit/exports.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { sql } from 'kysely'
import { execute } from '../src/sql.ts'
import { bareClient } from './bare.ts'
import type { Comparison } from './imports.ts'
import { type Cost, measure } from './measure.ts'
import type { Stage } from './stage.ts'

const prefix = 'out'
const result = JSON.stringify([{ type: 'choices', value: { choices: ['cat'] }, from_name: 'animal', to_name: 'image' }])

/** As many uploads at a time as an export makes by default. */
const concurrency = Math.min(8, 4 * availableParallelism())

/**
 * Export of `count` annotations beside a loop that puts the same bodies under the same keys into another bucket, with as many
 * uploads at a time and no database. The rounds alternate, so that a slow moment of the machine meets both.
 */
export async function measureExport(
  stage: Stage,
  { count, rounds }: { count: number; rounds: number },
): Promise<Comparison> {
  const client = bareClient(stage.s3.endpoint)
  const projectId = await createProject(stage.client, 'Bench of exports')
  await fillProject(stage, projectId, count)
  const [put, ours]: [number[], number[]] = [[], []]
  let cost: Cost | undefined
  for (let round = 0; round < rounds; round++) {
    const [bare, bucket] = [`bench-put-${round}`, `bench-export-${round}`]
    for (const name of [bare, bucket]) await stage.s3.createBucket(name)
    const { storage, ...error } = await createTarget(stage.client, {
      projectId,
      autoExport: false,
      location: {
        s3: { bucket, prefix, endpoint: stage.s3.endpoint, accessKeyId: 'bench', secretAccessKey: 'bench' },
      },
    })
    if (!storage) throw new Error(`${bucket} could not be connected: ${JSON.stringify(error)}`)
    const loop = await measure(() => barePut(client, bare, count))
    const run = await measure(() => exportAll(stage.client, storage.id))
    const { status, counters } = run.value
    if (status !== 'COMPLETED' || counters.exported !== count) {
      throw new Error(`An export ended as ${status} with ${counters.exported} of ${count} written.`)
    }
    put.push(count / loop.seconds)
    ours.push(count / run.seconds)
    cost ??= run
  }
  client.destroy()
  return { count, ours, bare: { put }, cost: cost! }
}

/** Tasks with an annotation each. */
async function fillProject({ app }: Stage, projectId: string, count: number): Promise<void> {
  const project = numberOf(projectId)
  await execute(
    app.orm.em,
    sql`with made as (
       insert into task (project_id, inner_id, data)
       select ${project}, n, json_build_object('image', 's3://bench-files/photos/' || n || '.jpg', 'text', 'What is to be seen here?')
       from generate_series(1, ${count}::int) n returning id)
     insert into annotation (task_id, result, completed_by, lead_time_seconds) select id, ${result}::json, 'bench', 1.5 from made`,
  )
  await execute(app.orm.em, sql`update project set last_inner_id = ${count} where id = ${project}`)
  // As autovacuum does within a minute.
  await execute(app.orm.em, sql`analyze task, annotation`)
}

/** Puts as many objects of the same size, and nothing else. */
async function barePut(client: S3Client, Bucket: string, count: number): Promise<void> {
  const body = (n: number) =>
    Buffer.from(
      `{"id":${n},"result":${result},"was_cancelled":false,"completed_by":"bench","lead_time":1.5,` +
        `"created_at":"2026-01-01T00:00:00.000000Z","updated_at":"2026-01-01T00:00:00.000000Z","task":{"id":${n},` +
        `"inner_id":${n},"project":1,"data":{"image":"s3://bench-files/photos/${n}.jpg","text":"What is to be seen here?"},` +
        `"meta":null,"allow_skip":true,"predictions":[]}}\n`,
    )
  let next = 0
  const lane = async () => {
    while (next < count) {
      const n = ++next
      await client.send(
        new PutObjectCommand({ Bucket, Key: `${prefix}/${n}.json`, Body: body(n), ContentType: 'application/json' }),
      )
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}
