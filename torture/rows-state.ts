import type pg from 'pg'
import type { FileRow } from './rows-file.ts'
import type { RowSettings } from './rows-round.ts'

/** A run as the database has it. */
export interface Run {
  status: string
  failure: string | null
  created: string
  updated: string
  existed: string
  missing: string
  deleted: string
  failed: string
  issues: { code: string; row: number }[] | null
}

/** The tasks of a storage with their links and labels. */
export interface State {
  tasks: {
    id: number
    data: { id: string; text: string }
    rowGroup: number
    row: number
    rowExists: boolean
    objectExists: boolean
    /** The data that each label was made for, as JSON. */
    labels: string[]
  }[]
}

export async function readState(database: pg.Pool, storage: number): Promise<State> {
  const { rows } = await database.query(
    `select t.id::int, t.data, l.row_group, l.row_index, l.row_exists, l.object_exists,
       array(select a.result->>0 from annotation a where a.task_id = t.id order by a.id) as labels
     from import_link l join task t on t.id = l.task_id where l.storage_id = $1
     order by l.row_group, l.row_index`,
    [storage],
  )
  return {
    tasks: rows.map(({ row_group, row_index, row_exists, object_exists, ...task }) => ({
      ...task,
      rowGroup: row_group,
      row: row_index,
      rowExists: row_exists,
      objectExists: object_exists,
    })),
  }
}

interface Step {
  settings: RowSettings
  rows: FileRow[]
  before: State
  after: State
  run: Run
  isFirst: boolean
}

/** What a sync did that it should not have done, in words. */
export function differencesOfRows(step: Step): string[] {
  const { settings, before, after, run, isFirst } = step
  const follows = isFirst || settings.changedPolicy === 'UPDATE'
  return [
    ...(['COMPLETED', 'COMPLETED_WITH_ERRORS'].includes(run.status)
      ? []
      : [`the run is ${run.status}: ${run.failure}`]),
    ...strayLabels(step),
    ...lostLabels(before, after),
    ...(follows ? contentDifferences(step) : []),
    ...counterDifferences(step),
  ]
}

const isSameItem = (settings: RowSettings, label: string, data: { id: string; text: string }) =>
  settings.rowKey === null ? label === JSON.stringify(data) : (JSON.parse(label) as { id: string }).id === data.id

/** Labels at another item than the one that they were made for. */
const strayLabels = ({ settings, after }: Step) =>
  after.tasks.flatMap(({ id, data, labels }) =>
    labels
      .filter((label) => !isSameItem(settings, label, data))
      .map((label) => `task ${id} is ${JSON.stringify(data)} with the label of ${label}`),
  )

function lostLabels(before: State, after: State): string[] {
  const count = ({ tasks }: State) => tasks.reduce((sum, { labels }) => sum + labels.length, 0)
  return count(after) < count(before) ? [`${count(before)} labels became ${count(after)}`] : []
}

/** Differences between the rows of the file and the links that say that their row exists. */
function contentDifferences({ settings, rows, after }: Step): string[] {
  const seen = new Set<string>()
  // Where a line is broken, its task may still be there, without a place.
  const isComplete = rows.every(({ isBroken }) => !isBroken)
  const expected = rows.flatMap(({ id, text, isBroken }, at) => {
    if (isBroken) return []
    if (settings.rowKey !== null && seen.has(id)) return []
    seen.add(id)
    return [{ at, data: JSON.stringify({ id, text }) }]
  })
  const hasFaults = !isComplete || expected.length < rows.length
  const present = after.tasks.filter(({ rowExists, row }) => rowExists && (!hasFaults || row >= -1))
  const found = present.map(({ data }) => JSON.stringify(data))
  const wanted = expected.map(({ data }) => data)
  if (hasFaults) {
    const missing = wanted.filter((data) => !found.includes(data))
    return missing.length > 0 ? [`no task for ${missing[0]}`] : []
  }
  const isEqual = found.length === wanted.length && found.every((data, n) => data === wanted[n])
  return isEqual ? [] : [`the rows are ${wanted.slice(0, 20)} and the tasks ${found.slice(0, 20)}`]
}

/** Differences between the counters of the run and what has changed. */
function counterDifferences({ settings, before, after, run }: Step): string[] {
  const old = new Map(before.tasks.map((task) => [task.id, task]))
  const now = new Map(after.tasks.map((task) => [task.id, task]))
  const flagged = after.tasks.filter(({ id, objectExists }) => !objectExists && old.get(id)?.objectExists !== false)
  const deleted = before.tasks.filter(({ id }) => !now.has(id))
  const lostLabeled = after.tasks.filter(
    ({ id, rowExists, labels }) => !rowExists && old.get(id)?.rowExists !== false && labels.length > 0,
  )
  const created = after.tasks.filter(({ id }) => !old.has(id)).length
  const wanted = {
    created,
    updated: after.tasks.filter(
      ({ id, data }) => old.has(id) && JSON.stringify(old.get(id)!.data) !== JSON.stringify(data),
    ).length,
    missing: settings.missingPolicy === 'KEEP' ? 0 : flagged.length + deleted.length,
    deleted: deleted.length,
    failed: run.issues?.length ?? 0,
  }
  const changed = run.issues?.filter(({ code }) => code === 'ROW_CHANGED').length ?? 0
  return [
    ...Object.entries(wanted).flatMap(([name, count]) =>
      Number(run[name as keyof Run]) === count
        ? []
        : [`the counter ${name} is ${run[name as keyof Run]}, not ${count}`],
    ),
    ...(changed === (created > 0 ? lostLabeled.length : 0)
      ? []
      : [`${changed} issues for ${lostLabeled.length} labeled tasks without a row`]),
  ]
}
