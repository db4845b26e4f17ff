import {
  annotate,
  createAnnotations,
  createTasks,
  deleteAnnotations,
  updateAnnotation,
} from '@sluice/testkit/annotate.ts'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { errorFields, unknownId } from '@sluice/testkit/errors.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { statementsOf } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app?.stop())

const counts = 'isLabeled totalAnnotations cancelledAnnotations totalPredictions'

async function countsOf(task: string) {
  const { node } = await app.request(`query ($id: ID!) { node(id: $id) { ... on Task { ${counts} } } }`, { id: task })
  return node
}

describe('annotating', () => {
  it('creates, changes and deletes annotations in the name of the viewer', async () => {
    const [task] = await createTasks(app, await createProject(app), [{ text: 'a' }])
    const result = [{ value: { text: ['ä', '\u2028'] } }]
    const { annotations } = await createAnnotations(app, [{ taskId: task, result, leadTimeSeconds: 2.5 }])
    const made = { result, wasCancelled: false, completedBy: 'admin', leadTimeSeconds: 2.5, task: { id: task } }
    expect(annotations).toEqual([expect.objectContaining(made)])
    const [{ id }] = annotations
    expect((await updateAnnotation(app, { id, wasCancelled: true })).annotation).toMatchObject({
      ...made,
      wasCancelled: true,
    })
    const changed = await updateAnnotation(app, { id, result: [], leadTimeSeconds: null })
    expect(changed.annotation).toMatchObject({ result: [], wasCancelled: true, leadTimeSeconds: null })
    const read = () => app.request('query ($id: ID!) { node(id: $id) { ... on Annotation { result } } }', { id })
    expect(await read()).toEqual({ node: { result: [] } })
    expect(await deleteAnnotations(app, [id, id])).toBe(1)
    expect(await read()).toEqual({ node: null })
  })

  it('updates the counters of tasks, and detects when a task has enough annotations', async () => {
    const { createProject: made } = await app.request(
      `mutation { createProject(input: { title: "Two", annotationsPerTask: 2 }) {
        ... on CreateProjectSuccess { project { id } } } }`,
    )
    const [task] = await createTasks(app, made.project.id, [{}])
    expect(await countsOf(task!)).toEqual({
      isLabeled: false,
      totalAnnotations: 0,
      cancelledAnnotations: 0,
      totalPredictions: 0,
    })
    const [first] = await annotate(app, [task!, task!])
    expect(await countsOf(task!)).toMatchObject({ isLabeled: true, totalAnnotations: 2, cancelledAnnotations: 0 })
    await updateAnnotation(app, { id: first!.id, wasCancelled: true })
    expect(await countsOf(task!)).toMatchObject({ isLabeled: false, totalAnnotations: 1, cancelledAnnotations: 1 })
    await deleteAnnotations(app, [first!.id])
    expect(await countsOf(task!)).toMatchObject({ isLabeled: false, totalAnnotations: 1, cancelledAnnotations: 0 })
  })

  it('counts the labels of a page of tasks with as many statements as of one', async () => {
    const project = await createProject(app)
    const ask = (first: number) =>
      app.request(
        `query ($id: ID!, $first: Int) { project(id: $id) { tasks(first: $first) { edges { node { ${counts} } } } } }`,
        { id: project, first },
      )
    await annotate(
      app,
      await createTasks(
        app,
        project,
        Array.from({ length: 50 }, (_, n) => ({ n })),
      ),
    )
    const few = await statementsOf(() => ask(1))
    const many = await statementsOf(() => ask(50))
    expect(many.length).toBe(few.length)
  })

  it('creates all annotations or none', async () => {
    const [task] = await createTasks(app, await createProject(app), [{}])
    const answer = await createAnnotations(app, [
      { taskId: task, result: [] },
      { taskId: unknownId('Task'), result: [] },
    ])
    expect(answer).toMatchObject({ code: 'NOT_FOUND' })
    expect(await countsOf(task!)).toMatchObject({ totalAnnotations: 0 })
  })

  it('refuses too many at once, and negative times', async () => {
    const [task] = await createTasks(app, await createProject(app), [{}])
    const many = Array.from({ length: 1_001 }, () => ({ taskId: task, result: [] }))
    expect(await createAnnotations(app, many)).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path: 'input' }] })
    const negative = [{ taskId: task, result: [], leadTimeSeconds: -1 }]
    expect(await createAnnotations(app, negative)).toMatchObject({
      code: 'VALIDATION',
      fieldErrors: [{ path: 'input.0.leadTimeSeconds' }],
    })
    expect(await updateAnnotation(app, { id: unknownId('Annotation') })).toMatchObject({ code: 'NOT_FOUND' })
  })

  it.each(['no list', 5, {}, true])('refuses %j as the result of annotations and predictions', async (result) => {
    const [task] = await createTasks(app, await createProject(app), [{}])
    const refused = (path: string) => ({ code: 'VALIDATION', fieldErrors: [{ path }] })
    const labels = [
      { taskId: task, result: [] },
      { taskId: task, result },
    ]
    const [annotation] = await annotate(app, [task!])
    const predict = (field: string, input: unknown) =>
      app.request(
        `mutation ($input: [${field === 'createPredictions' ? 'Create' : 'Update'}PredictionInput!]!) {
          ${field}(input: $input) { __typename ... on ValidationError { code fieldErrors { path } } } }`,
        { input },
      )
    expect(await createAnnotations(app, labels)).toMatchObject(refused('input.1.result'))
    expect(await updateAnnotation(app, { id: annotation!.id, result })).toMatchObject(refused('input.0.result'))
    expect((await predict('createPredictions', labels)).createPredictions).toMatchObject(refused('input.1.result'))
    expect(await countsOf(task!)).toMatchObject({ totalAnnotations: 1, totalPredictions: 0 })
  })

  it('creates, changes and deletes predictions', async () => {
    const [task] = await createTasks(app, await createProject(app), [{}])
    const { createPredictions: made } = await app.request(
      `mutation ($input: [CreatePredictionInput!]!) { createPredictions(input: $input) {
        ... on CreatePredictionsSuccess { predictions { id score modelVersion } } ${errorFields} } }`,
      { input: [{ taskId: task, result: [], score: 0.5, modelVersion: 'm1' }] },
    )
    expect(made.predictions).toEqual([{ id: expect.any(String), score: 0.5, modelVersion: 'm1' }])
    const [{ id }] = made.predictions
    const { updatePredictions: changed } = await app.request(
      `mutation ($input: [UpdatePredictionInput!]!) { updatePredictions(input: $input) {
        ... on UpdatePredictionsSuccess { predictions { result score modelVersion } } ${errorFields} } }`,
      { input: [{ id, result: [1], score: null }] },
    )
    expect(changed.predictions).toEqual([{ result: [1], score: null, modelVersion: 'm1' }])
    expect(await countsOf(task!)).toMatchObject({ totalPredictions: 1 })
    const { deletePredictions: gone } = await app.request(
      `mutation ($ids: [ID!]!) { deletePredictions(ids: $ids) { ... on DeletePredictionsSuccess { deletedCount } } }`,
      { ids: [id] },
    )
    expect(gone.deletedCount).toBe(1)
  })

  it('numbers tasks in the order of the list, also with several requests at once', async () => {
    const project = await createProject(app)
    const lists = await Promise.all(
      Array.from({ length: 5 }, (_, list) =>
        createTasks(
          app,
          project,
          [0, 1, 2].map((n) => ({ list, n })),
        ),
      ),
    )
    const { project: read } = await app.request(
      'query ($id: ID!) { project(id: $id) { tasks { edges { node { id innerId data } } } } }',
      { id: project },
    )
    const tasks = new Map(
      read.tasks.edges.map(({ node }: { node: { id: string; innerId: number } }) => [node.id, node.innerId]),
    )
    expect([...tasks.values()].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 15 }, (_, n) => n + 1),
    )
    for (const list of lists) {
      const numbers = list.map((id) => Number(tasks.get(id)))
      expect(numbers).toEqual([numbers[0]!, numbers[0]! + 1, numbers[0]! + 2])
    }
    await expect(createTasks(app, project, ['text'])).rejects.toThrow(/must be a JSON object/)
  })
})
