import { readFileSync } from 'node:fs'
import { updateAnnotation } from '@sluice/testkit/annotate.ts'
import { exportAll, target, textsIn } from '@sluice/testkit/exports.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../src/json.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const full = readFileSync(new URL('label-studio-export.json', import.meta.url), 'utf8')

/** The texts of the objects that a TASK export of a project writes. */
async function exported(project: string): Promise<{ bucket: string; texts: string[] }> {
  const { id, bucket } = await target(world, { project, exportFormat: 'TASK', autoExport: false })
  expect(await exportAll(world.app, id)).toMatchObject({ status: 'COMPLETED' })
  return { bucket, texts: Object.values(await textsIn(world.s3, bucket)) }
}

/** Imports a file, and exports the tasks. */
async function throughSluice(body: string) {
  const storage = await world.storage({ objects: { 'export.json': body }, importMethod: 'TASKS' })
  const run = await sync(world.app, storage.id)
  const { bucket, texts } = await exported(storage.project)
  return { storage, run, bucket, tasks: texts.map((text) => parseJson(text) as JsonObject) }
}

const ids = ['id', 'task', 'project']
const ofSluice = {
  task: ['id', 'inner_id', 'project', 'total_annotations', 'cancelled_annotations', 'total_predictions'],
  label: ids,
}

/** The fields of an item by name, as text with all digits, in one order; values that Sluice reads in one form have that form. */
function fieldsOf(item: JsonObject, own: string[]): Record<string, string> {
  // Sluice writes six digits.
  const time = (value: Json) =>
    typeof value !== 'string' || /\.\d{6}Z$/.test(value) ? value : new Date(value).toISOString().replace('Z', '000Z')
  const forms: Record<string, (value: Json) => Json> = {
    created_at: time,
    updated_at: time,
    score: (value) => (typeof value === 'string' ? Number(value) : value),
    model_version: (value) => (typeof value === 'number' ? String(value) : value),
  }
  return Object.fromEntries(
    Object.entries(item)
      .filter(([name]) => !own.includes(name) && name !== 'annotations' && name !== 'predictions')
      .map(([name, value]) => [name, JSON.stringify(sorted(forms[name]?.(value) ?? value))]),
  )
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  )
}

/** What must come out of Sluice for a task that went in. */
const expected = (task: JsonObject) => {
  const labels = (name: string) =>
    ((task[name] ?? []) as Json[])
      .filter(isJsonObject)
      .map((label) => expect.objectContaining(fieldsOf(label, ofSluice.label)))
  return {
    fields: expect.objectContaining(fieldsOf(task, ofSluice.task)),
    annotations: labels('annotations'),
    predictions: labels('predictions'),
  }
}

const seen = (task: JsonObject) => {
  const labels = (name: string) => (task[name] as JsonObject[]).map((label) => fieldsOf(label, ofSluice.label))
  return {
    fields: fieldsOf(task, ofSluice.task),
    annotations: labels('annotations'),
    predictions: labels('predictions'),
  }
}

const byData = (tasks: JsonObject[]) =>
  tasks.toSorted((a, b) => (JSON.stringify(a.data) < JSON.stringify(b.data) ? -1 : 1))

describe('an export of Label Studio', () => {
  it('is imported and exported again without a lost field: relations, brush, video, predictions, ground truth, cancelled, drafts', async () => {
    const { run, tasks, bucket } = await throughSluice(full)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 5, failed: 0 } })
    const input = parseJson(full) as JsonObject[]
    expect(byData(tasks).map(seen)).toEqual(byData(input).map(expected))

    const empty = await createProject(world.app)
    const source = await world.storage({ bucket, project: empty, importMethod: 'TASKS' })
    expect(await sync(world.app, source.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 5 } })
    const again = (await exported(empty)).texts.map((text) => parseJson(text) as JsonObject)
    expect(byData(again).map(seen)).toEqual(byData(tasks).map(seen))
  })

  it('loses no field, whatever its fields are', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 8 })
    const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 2 }) as fc.Arbitrary<Json>
    const unknown = fc.dictionary(
      text.filter((name) => !known.includes(name) && !/^\d+$/.test(name)),
      json,
      { maxKeys: 3 },
    )
    const known = [
      ...[...ofSluice.task, ...ids, 'data', 'meta', 'predictions', 'annotations', 'completions', 'allowSkip'],
      ...['allow_skip', 'created_at', 'updated_at', 'result', 'score', 'model_version', 'was_cancelled', 'lead_time'],
      ...['completed_by'],
    ]
    const time = fc.date({ min: new Date('1990-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
    const times = fc.record({ created_at: time, updated_at: time }, { requiredKeys: [] })
    const number = fc.double({ noNaN: true, noDefaultInfinity: true })
    const label = (own: Record<string, fc.Arbitrary<unknown>>) =>
      fc
        .tuple(
          unknown,
          times,
          fc.record({ id: fc.nat(), result: fc.array(json, { maxLength: 3 }) }),
          fc.record(own, { requiredKeys: [] }),
        )
        .map((parts) => Object.assign({}, ...parts))
    const prediction = label({
      score: fc.oneof(number, number.map(String), fc.constant(null)),
      model_version: fc.oneof(text, fc.nat(), fc.constant(null)),
      cluster: json,
      neighbors: json,
    })
    const annotation = label({
      was_cancelled: fc.boolean(),
      lead_time: fc.oneof(number, fc.constant(null)),
      completed_by: fc.oneof(text, fc.nat(), fc.constant(null), fc.record({ id: fc.nat(), email: text })),
      ground_truth: fc.boolean(),
      parent_prediction: json,
      last_action: json,
      unique_id: fc.uuid(),
    })
    const task = fc
      .tuple(
        unknown,
        times,
        fc.record({ annotations: fc.array(annotation, { minLength: 1, maxLength: 3 }) }),
        fc.record(
          {
            predictions: fc.array(prediction, { maxLength: 2 }),
            drafts: fc.array(json, { maxLength: 2 }),
            meta: fc.oneof(json, fc.dictionary(text, json)),
            allow_skip: fc.boolean(),
            source: json,
          },
          { requiredKeys: [] },
        ),
      )
      .map((parts) => Object.assign({}, ...parts))
    const tasks = fc.sample(task, 150).map((one, n) => ({ ...one, data: { n: 1_000 + n } }))
    const input = parseJson(JSON.stringify(tasks)) as JsonObject[]
    const { run, tasks: output } = await throughSluice(JSON.stringify(tasks))
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 150, failed: 0 } })
    expect(byData(output).map(seen)).toEqual(byData(input).map(expected))
  })

  it('preserves the digits of numbers in fields without a column', async () => {
    const { tasks } = await throughSluice(
      `[{"data":{},"n":12345678901234567890,"annotations":[{"result":[],"x":1.00000000000000000001,"lead_time":0.12345678901234567890}],
         "predictions":[{"result":[],"mislabeling":1e400,"score":0.98765432109876543210}]}]`,
    )
    expect(JSON.stringify(tasks[0])).toMatch(
      /"score":0.98765432109876543210.*"mislabeling":1e400.*"n":12345678901234567890.*"lead_time":0.12345678901234567890.*"x":1.00000000000000000001/,
    )
  })
})

describe('predictions that are ids', () => {
  it('are an issue PREDICTION_IDS beside the imported task, and the row is not read again', async () => {
    const body = JSON.stringify([
      { data: { n: 1 }, predictions: [286], annotations: [{ id: 7, result: [{ v: 1 }] }] },
      { data: { n: 2 }, predictions: [], annotations: [] },
    ])
    const storage = await world.storage({ objects: { 'a.json': body }, importMethod: 'TASKS' })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({
      ...{ status: 'COMPLETED_WITH_ERRORS', counters: { created: 2, failed: 1 } },
      issues: [{ key: 'a.json', rowIndex: 0, code: 'PREDICTION_IDS', retryable: false }],
    })
    const reads = world.front.counts.GetObject
    expect(await sync(world.app, storage.id)).toMatchObject({
      ...{ status: 'COMPLETED', counters: { existed: 1, created: 0, failed: 0 }, issues: [] },
    })
    const { retryFailed } = await world.app.request(
      `mutation ($id: ID!) { retryFailed(runId: $id) { ... on RetryFailedSuccess { run { id } } ... on Error { code message } } }`,
      { id: run.id },
    )
    expect(retryFailed.run).toBeTruthy()
    for await (const _state of world.app.subscribe(
      'subscription ($id: ID!) { syncRunChanged(runId: $id) { status } }',
      { id: retryFailed.run.id },
    ));
    expect(world.front.counts.GetObject).toBe(reads)
  })
})

describe('fields without a column', () => {
  const body = JSON.stringify({
    data: { n: 1 },
    drafts: [{ result: [{ v: 1 }] }],
    annotations: [{ result: [{ v: 2 }], ground_truth: true, result_count: 1 }],
    predictions: [{ result: [{ v: 3 }], cluster: 4, updated_at: '2026-01-02T03:04:05Z', score: 0.5 }],
  })
  const read = async (project: string) => {
    const answer = await world.app.request(
      `query ($id: ID!) { project(id: $id) { tasks(first: 1) { edges { node { id extra meta totalAnnotations
        annotations { id extra } predictions { id extra } } } } } }`,
      { id: project },
    )
    return answer.project.tasks.edges[0].node
  }

  it('are readable as `extra`, and null without such fields', async () => {
    const { project, id } = await world.storage({ objects: { 'a.json': body }, importMethod: 'TASKS' })
    await sync(world.app, id)
    expect(await read(project)).toMatchObject({
      extra: { drafts: [{ result: [{ v: 1 }] }] },
      meta: null,
      totalAnnotations: 1,
      annotations: [{ extra: { ground_truth: true, result_count: 1 } }],
      predictions: [{ extra: { cluster: 4, updated_at: '2026-01-02T03:04:05Z' } }],
    })
    const plain = await world.storage({
      objects: { 'a.json': '{"data":{},"annotations":[{"result":[]}],"predictions":[{"result":[]}]}' },
      importMethod: 'TASKS',
    })
    await sync(world.app, plain.id)
    expect(await read(plain.project)).toMatchObject({
      ...{ extra: null, annotations: [{ extra: null }], predictions: [{ extra: null }] },
    })
    const [count] = await query(
      world.app.databaseUrl,
      'select count(*)::int as n from task_extra x join task t on t.id = x.task_id where t.project_id = $1',
      [numberOf(plain.project)],
    )
    expect(count.n).toBe(0)
  })

  it('stay when a client changes the label, except for those that the change makes wrong', async () => {
    const { project, id } = await world.storage({ objects: { 'a.json': body }, importMethod: 'TASKS' })
    await sync(world.app, id)
    const task = await read(project)
    await updateAnnotation(world.app, { id: task.annotations[0].id, result: [{ v: 2 }, { v: 5 }] })
    await world.app.request(
      `mutation ($input: [UpdatePredictionInput!]!) { updatePredictions(input: $input) { __typename } }`,
      { input: [{ id: task.predictions[0].id, score: 0.75 }] },
    )
    expect(await read(project)).toMatchObject({
      annotations: [{ extra: { ground_truth: true } }],
      predictions: [{ extra: { cluster: 4 } }],
    })
    expect((await read(project)).annotations[0].extra).toEqual({ ground_truth: true })
    expect((await read(project)).predictions[0].extra).toEqual({ cluster: 4 })
  })

  it('follow a changed file with changedPolicy UPDATE', async () => {
    const storage = await world.storage({
      ...{ objects: { 'a.json': body, 'b.json': '{"data":{"n":2}}' }, importMethod: 'TASKS', changedPolicy: 'UPDATE' },
    })
    await sync(world.app, storage.id)
    await world.s3.put(storage.bucket, 'a.json', '{"data":{"n":1}}')
    await world.s3.put(storage.bucket, 'b.json', '{"data":{"n":2},"source":"x"}')
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { updated: 2 },
      issues: [{ key: 'a.json', code: 'ANNOTATION_GONE' }],
    })
    const { project } = await world.app.request(
      'query ($id: ID!) { project(id: $id) { tasks(first: 2) { edges { node { data extra } } } } }',
      { id: storage.project },
    )
    const extras = project.tasks.edges.map(({ node }: { node: { data: { n: number }; extra: unknown } }) => [
      node.data.n,
      node.extra,
    ])
    expect(extras.sort()).toEqual([
      [1, null],
      [2, { source: 'x' }],
    ])
  })
})
