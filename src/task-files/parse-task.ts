import { createHash } from 'node:crypto'
import { SluiceError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject, mayLoseDigits, parseJson } from '../json.ts'
import { jsonSizeFault, maxJsonDepth, maxJsonValues, sizeOfText } from '../security/json-size.ts'
import { toError } from '../unknown.ts'
import { datasetIssue, largeDatasetIssue } from './dataset.ts'
import { JsonOutline } from './json-outline.ts'
import {
  annotationsOf,
  exactColumns,
  extraOf,
  type FileTimes,
  idText,
  labelWithoutTimes,
  type ParsedAnnotation,
  type ParsedPrediction,
  predictionsOf,
  timesOf,
} from './labels.ts'

/** One task as read from a file. */
export interface ParsedTask extends FileTimes {
  data: string
  meta: string | null
  allowSkip: boolean
  predictions: ParsedPrediction[]
  annotations: ParsedAnnotation[]
  /** The fields beside `data` that have no column, as the JSON text of an object. Absent if there are none. */
  extra?: string
  /** What of the row is not in the task. The task is imported in spite of it. */
  issue?: SluiceError
  /** What is wrong with a time of the task or its labels; absent where nothing is. */
  timeFault?: string
  /** The `id` beside `data`, as text. Absent if the row has no `id` there. */
  envelopeId?: string
  /** The same in all elements that hold an annotation of one task each; absent where an element is a task of its own. */
  origin?: string
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** What an element is: a ROW of a file, a FILE of one object, or such a file that is a task in any case, as `rowsPath: $` says. */
export type ElementKind = 'ROW' | 'FILE' | 'WHOLE'

/**
 * Reads the text of one element of a task file. A bare task keeps its text as it is.
 * @throws SluiceError NOT_JSON, NOT_UTF8, TASK_TOO_LARGE, DATASET_IN_ONE_OBJECT for a FILE, and as `taskOf`.
 */
export function parseTask(bytes: Buffer, kind: ElementKind = 'ROW'): ParsedTask {
  // That many brackets take two bytes for each level, and that many values more.
  if (bytes.length > 2 * maxJsonDepth) {
    const { values, depth } = sizeOfText(bytes)
    if (depth > maxJsonDepth) {
      throw new SluiceError('NOT_A_TASK', `A task may be nested ${maxJsonDepth} levels deep at most.`)
    }
    if (values > maxJsonValues) throw (kind === 'FILE' && largeIssue(bytes)) || tooManyValues()
  }
  const text = decode(bytes)
  let value: Json
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw notJson(bytes, toError(cause))
  }
  const dataset = kind === 'FILE' ? datasetIssue(value, bytes) : undefined
  if (dataset) throw dataset
  if (isBare(value) && !isExported(value) && !hasEmptyLabels(value)) return bareTask(text.trim())
  return taskOf(mayLoseDigits(text) ? parseJson(text) : value)
}

/**
 * Reads a row that was not JSON text, such as a row of Parquet, within the limits of a task.
 * @throws SluiceError TASK_TOO_LARGE, and as `taskOf`.
 */
export function rowTaskOf(row: Json): ParsedTask {
  const fault = jsonSizeFault(row)
  if (fault) throw new SluiceError('TASK_TOO_LARGE', `The row ${fault}.`)
  return taskOf(row)
}

/**
 * Reads one element of a task file: a bare task (the object is the data), or an envelope
 * `{ data, predictions?, annotations?, allowSkip? | allow_skip?, meta? }`, or an annotation as it is exported,
 * `{ id, result, …, task: { id, data, … } }`, which is that task with that annotation.
 * @throws SluiceError NOT_A_TASK, ENVELOPE_WITHOUT_DATA, BAD_ENVELOPE or LABELS_IN_DATA.
 */
function taskOf(value: Json): ParsedTask {
  if (!isJsonObject(value)) {
    throw new SluiceError('NOT_A_TASK', `A task must be a JSON object, but this is ${nameOf(value)}.`)
  }
  if (isExported(value)) return exportedTask(value)
  if (isBare(value)) {
    if (!hasEmptyLabels(value)) return bareTask(JSON.stringify(value))
    // Null is what a table has where a row has no labels; it says no more than nothing at all.
    const isEmpty = (name: string) => (name === 'predictions' || name === 'annotations') && value[name] === null
    const fields = Object.entries(value).filter(([name]) => !isEmpty(name))
    return bareTask(JSON.stringify(Object.fromEntries(fields)))
  }
  const { data, meta, completions } = value
  if (!isJsonObject(data)) throw new SluiceError('data' in value ? 'BAD_ENVELOPE' : 'ENVELOPE_WITHOUT_DATA')
  if (holdsLabels(data.predictions) || holdsLabels(data.annotations)) throw new SluiceError('LABELS_IN_DATA')
  const faults: string[] = []
  const { predictions, ids } = predictionsOf(value.predictions, faults)
  const task: ParsedTask = {
    data: JSON.stringify(data),
    meta: isJsonObject(meta) ? JSON.stringify(meta) : null,
    allowSkip: (value.allowSkip ?? value.allow_skip) !== false,
    predictions,
    annotations: [
      ...annotationsOf('annotations', value.annotations, faults),
      ...annotationsOf('completions', completions, faults),
    ],
    ...timesOf(value, 'the task', faults),
    ...extraOf(value, exactColumns(columns, value, rules)),
  }
  if (ids.length > 0) task.issue = predictionIds(ids)
  const envelopeId = idText(value.id)
  if (envelopeId !== null) task.envelopeId = envelopeId
  return faults.length === 0 ? task : { ...task, timeFault: faults[0]! }
}

// Ids, the project and counts are those of Sluice.
const columns = new Set([
  ...['id', 'inner_id', 'project', 'total_annotations', 'cancelled_annotations', 'total_predictions'],
  ...[
    'data',
    'meta',
    'predictions',
    'annotations',
    'completions',
    'allowSkip',
    'allow_skip',
    'created_at',
    'updated_at',
  ],
])

const isBoolean = (value: Json) => typeof value === 'boolean'
const rules = { meta: isJsonObject, allowSkip: isBoolean, allow_skip: isBoolean }

function predictionIds(ids: Json[]): SluiceError {
  const some = ids.slice(0, 5).map((id) => JSON.stringify(id))
  const names = ids.length > some.length ? `${some.join(', ')} … (${ids.length} in all)` : some.join(', ')
  return new SluiceError(
    'PREDICTION_IDS',
    `The file has only the ids of predictions (${names}), not the predictions. The task was imported without them. To import them, export them from Label Studio as objects.`,
  )
}

/** The same task with the present time for all. */
export function withoutTimes({
  createdAt: _created,
  updatedAt: _updated,
  timeFault: _fault,
  ...task
}: ParsedTask): ParsedTask {
  return {
    ...task,
    predictions: task.predictions.map(labelWithoutTimes),
    annotations: task.annotations.map(labelWithoutTimes),
  }
}

/** An annotation with its task inside, as exports in ANNOTATION format have it. */
const isExported = (value: Json): value is JsonObject & { task: JsonObject } =>
  isJsonObject(value) &&
  !('data' in value || isThere(value.predictions) || isThere(value.annotations)) &&
  'result' in value &&
  isJsonObject(value.task) &&
  isJsonObject(value.task.data) &&
  value.task.id !== undefined

function exportedTask({ task, ...annotation }: JsonObject & { task: JsonObject }): ParsedTask {
  // The data counts, too: another server has other tasks under the same numbers.
  const identity = JSON.stringify([task.project ?? null, task.id!, task.data!])
  const origin = createHash('sha256').update(identity).digest('base64url')
  return { ...taskOf({ ...task, annotations: [annotation] }), origin }
}

/** Neither an envelope nor the half of one. */
const isBare = (value: Json): boolean =>
  isJsonObject(value) &&
  !isJsonObject(value.data) &&
  !isThere(value.predictions) &&
  (!isThere(value.annotations) || isOfOtherTool(value))

/**
 * Whether the annotations are those of another tool (CreateML, doccano, Scale), and so part of the data: none has a "result". An empty
 * list is no sign, unless there are other fields beside it.
 */
function isOfOtherTool({ annotations, data, ...others }: JsonObject): boolean {
  if (!Array.isArray(annotations)) return true
  if (annotations.length === 0) return data === undefined && Object.values(others).some(isThere)
  return !annotations.some((item) => isJsonObject(item) && 'result' in item)
}

const isThere = (value: Json | undefined) => value !== undefined && value !== null

const hasEmptyLabels = (value: Json) =>
  isJsonObject(value) && (value.predictions === null || value.annotations === null)

/** A task that is nothing but its data. */
export const bareTask = (data: string): ParsedTask => ({
  data,
  meta: null,
  allowSkip: true,
  predictions: [],
  annotations: [],
})

/** Whether it is what only a task's labels are: a list of objects that all have a list as their "result". */
const holdsLabels = (value: Json | undefined) =>
  Array.isArray(value) && value.length > 0 && value.every((item) => isJsonObject(item) && Array.isArray(item.result))

function decode(bytes: Buffer): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new SluiceError('NOT_UTF8', undefined, { cause })
  }
}

function notJson(bytes: Buffer, cause: Error): SluiceError {
  if (bytes.length === 0)
    return new SluiceError('NOT_JSON', 'An element is missing between two commas, or after the last one.')
  // Half of a text in UTF-16 is zero, and JSON has no zero byte at all.
  if (bytes[0] === 0 || bytes[1] === 0) return new SluiceError('NOT_UTF8')
  return new SluiceError('NOT_JSON', `Not valid JSON: ${cause.message}.`, { cause })
}

function largeIssue(bytes: Buffer): SluiceError | undefined {
  const outline = new JsonOutline()
  outline.push(bytes)
  return largeDatasetIssue(outline)
}

function tooManyValues(): SluiceError {
  return new SluiceError('TASK_TOO_LARGE', `A task may have ${maxJsonValues} JSON values at most, such as list items.`)
}

const nameOf = (value: Json) => (value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`)
