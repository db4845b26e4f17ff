import { annotate, deleteAnnotations, updateAnnotation } from '@sluice/testkit/annotate.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import { decodeId, globalIdOf } from '../../src/graphql/ids.ts'
import type { Random } from '../random.ts'
import { createFiles } from './label-files.ts'
import { LabelModel } from './label-model.ts'
import type { PlaceKind } from './place.ts'
import { playRun, type RunRow, type Scene } from './scene.ts'
import { counterDifferences, readTasks, recount, type TaskState } from './state.ts'
import { countRun, type Played } from './verdict.ts'

const steps = 6

/**
 * Labels in files are added, corrected and removed, while people add, correct and delete labels of the same tasks, also during a sync.
 * Labels must follow their file while nobody changed them, and nothing that a person saved may be lost.
 */
export async function playLabels(
  scene: Scene,
  kind: PlaceKind,
  { random, name, killShare }: { random: Random; name: string; killShare: number },
): Promise<Played> {
  const { client } = scene.workers.all[0]!
  const missingPolicy = random.pick(['KEEP', 'FLAG', 'FLAG', 'DELETE_UNANNOTATED', 'DELETE_UNANNOTATED'] as const)
  const place = await scene.createPlace(kind, name)
  const projectId = await createProject(client)
  const { storage } = await createStorage(client, {
    ...{ projectId, missingPolicy, importMethod: 'TASKS', changedPolicy: 'UPDATE', detectMoves: false },
    ...{ skipCheck: true, location: place.location() },
  })
  const project = Number(decodeId(projectId).id)
  const model = new LabelModel(missingPolicy)
  const files = createFiles(place, random)
  const played: Played = { settings: missingPolicy, kills: 0, runs: 0, splits: 0, differences: [] }
  let before: TaskState[] = []
  for (let step = 0; step < steps; step++) {
    await files.edit()
    const people = createPeople(model, random, { tasks: before, step })
    if (step > 0) await people.act(scene.workers.all[0]!.client, random.whole(0, 6))
    before = await readTasks(scene.database, project)
    const isQuiet = step === 0 || random.chance(0.5)
    const during = isQuiet ? undefined : (other: GraphqlClient) => people.act(other, random.whole(1, 5), files.keeps)
    const { run, kills } = await playRun(scene, random, (one) => startSync(one, storage.id), {
      killShare,
      ...(during && { during }),
    })
    countRun(played, { run, kills })
    const effect = model.sync(files.rows)
    const after = await readTasks(scene.database, project)
    const found = [
      ...runDifferences(run),
      ...modelDifferences(model, after),
      ...counterDifferences(run, {
        ...recount(before, after, storage.databaseId),
        failed: run.issues.length,
        ...(isQuiet && { updated: effect.updated }),
      }),
      ...(isQuiet ? issueDifferences(run, effect.issues) : []),
    ]
    played.differences.push(...found.map((difference) => `step ${step}: ${difference}`))
    before = after
  }
  return played
}

const runDifferences = ({ status, failure }: RunRow) =>
  ['COMPLETED', 'COMPLETED_WITH_ERRORS'].includes(status) ? [] : [`the run is ${status}: ${failure}`]

function issueDifferences({ issues }: RunRow, expected: string[]): string[] {
  const found = issues.map(({ code }) => code).sort()
  const wanted = [...expected].sort()
  return String(found) === String(wanted) ? [] : [`the issues are [${found}], not [${wanted}]`]
}

/** People who label the tasks of the last known state. What the server accepted is recorded in the model. */
function createPeople(model: LabelModel, random: Random, { tasks, step }: { tasks: TaskState[]; step: number }) {
  let words = 0
  return {
    async act(
      client: GraphqlClient,
      count: number,
      mayTouch: (key: string, row: number, id: number | null) => boolean = () => true,
    ) {
      for (let acts = tasks.length === 0 ? 0 : count; acts > 0; acts--) {
        const { id, data, links, labels } = random.pick(tasks)
        const own = links[0] && model.task(links[0].key, Number(links[0].envelope))
        const word = `person ${data.text} ${step}.${++words}`
        const kind = random.pick(['add', 'change', 'change', 'delete'])
        if (!own || !mayTouch(own.key, own.row, null)) continue
        if (kind === 'add') {
          const added = await annotate(client, [globalIdOf('Task', id)], [word]).catch(() => undefined)
          if (added) model.add(own, word)
          continue
        }
        const label = labels.length > 0 ? random.pick(labels) : undefined
        const known = own.labels.find(({ name }) => name === label?.name)
        if (!label || !known) continue
        if (!mayTouch(own.key, own.row, known.importId)) continue
        const annotation = globalIdOf('Annotation', label.id)
        if (kind === 'change') {
          const { annotation: saved } = await updateAnnotation(client, { id: annotation, result: [word] })
          if (saved) model.change(own, label.name, word)
        } else if ((await deleteAnnotations(client, [annotation])) === 1) model.remove(own, label.name)
      }
    },
  }
}

/** Differences between the tasks and the model, in words. */
function modelDifferences(model: LabelModel, tasks: TaskState[]): string[] {
  const line = (key: string, row: number | string | null, what: object) => `${key} ${row} ${JSON.stringify(what)}`
  const wanted = model.tasks.map(({ key, row, text, labels, rowExists, objectExists }) =>
    line(key, row, { text, rowExists, objectExists, labels: labels.map(({ name }) => name).sort() }),
  )
  const found = tasks.map(({ data, links: [link], labels }) =>
    line(link!.key, link!.envelope, {
      text: data.text,
      rowExists: link!.rowExists,
      objectExists: link!.objectExists,
      labels: labels.map(({ name }) => name).sort(),
    }),
  )
  return listDifferences(wanted, found)
}

/** Lines that only one of two lists has. */
export function listDifferences(wanted: string[], found: string[]): string[] {
  const rest = [...found]
  const lacking = wanted.filter((one) => {
    const at = rest.indexOf(one)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
  return [...lacking.map((one) => `not there: ${one}`), ...rest.map((one) => `unexpected: ${one}`)]
}
