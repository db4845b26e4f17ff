import { createHash } from 'node:crypto'
import { SluiceError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject, mayLoseDigits, parseJson } from '../json.ts'
import { jsonSizeFault, maxJsonDepth, maxJsonValues, sizeOfText } from '../security/json-size.ts'
import { toError } from '../unknown.ts'
import { fileTime } from './file-time.ts'

/** The times in a file, in the format of PostgreSQL. Absent if the file has none. */
interface FileTimes {
  createdAt?: string
  updatedAt?: string
}

/** A prediction that came with a task; JSON parts as text, ready for the database. */
interface ParsedPrediction extends FileTimes {
  result: string
  score: number | null
  modelVersion: string | null
}

/** An annotation that came with a task. */
interface ParsedAnnotation extends FileTimes {
  result: string
  wasCancelled: boolean
  leadTimeSeconds: number | null
  /** Who made it, as the file names them. */
  completedBy: string | null
  importId: string | null
}

/** One task as read from a file. */
export interface ParsedTask extends FileTimes {
  data: string
  meta: string | null
  allowSkip: boolean
  predictions: ParsedPrediction[]
  annotations: ParsedAnnotation[]
  /** What is wrong with a time of the task or its labels; absent where nothing is. */
  timeFault?: string
  /** The same in all elements that hold an annotation of one task each; absent where an element is a task of its own. */
  origin?: string
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/**
 * Reads the text of one element of a task file. A bare task keeps its text as it is.
 * @throws SluiceError NOT_JSON, NOT_UTF8, and as `taskOf`.
 */
export function parseTask(bytes: Buffer): ParsedTask {
  // That many brackets take two bytes for each level, and that many values more.
  if (bytes.length > 2 * maxJsonDepth) {
    const { values, depth } = sizeOfText(bytes)
    if (depth > maxJsonDepth) {
      throw new SluiceError('NOT_A_TASK', `A task may be nested ${maxJsonDepth} levels deep at most.`)
    }
    if (values > maxJsonValues) throw tooManyValues()
  }
  const text = decode(bytes)
  let value: Json
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw notJson(bytes, toError(cause))
  }
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
    const { predictions: _predictions, annotations: _annotations, ...rest } = value
    return bareTask(JSON.stringify(rest))
  }
  const { data, predictions, completions, drafts } = value
  if (isCoco(value)) throw new SluiceError('NOT_A_TASK', coco)
  if (!isJsonObject(data)) throw new SluiceError('data' in value ? 'BAD_ENVELOPE' : 'ENVELOPE_WITHOUT_DATA')
  if (holdsLabels(data.predictions) || holdsLabels(data.annotations)) throw new SluiceError('LABELS_IN_DATA')
  const faults: string[] = []
  const task: ParsedTask = {
    data: JSON.stringify(data),
    meta: metaOf(value.meta, drafts),
    allowSkip: (value.allowSkip ?? value.allow_skip) !== false,
    predictions: labelsOf('predictions', predictions).map((item) => ({
      result: JSON.stringify(item.result),
      score: optional(item, 'score', 'a number', numberOf),
      modelVersion: optional(item, 'model_version', 'a text', textOf),
      ...timesOf(item, 'a prediction', faults),
    })),
    annotations: [...labelsOf('annotations', value.annotations), ...labelsOf('completions', completions)].map(
      (item) => ({
        result: JSON.stringify(item.result),
        wasCancelled: optional(item, 'was_cancelled', 'true or false', booleanOf) ?? false,
        leadTimeSeconds: optional(item, 'lead_time', 'a number of seconds', numberOf),
        completedBy: nameOfPerson(item.completed_by),
        importId: item.id === undefined || item.id === null ? null : JSON.stringify(item.id).replace(/^"(.*)"$/, '$1'),
        ...timesOf(item, 'an annotation', faults),
      }),
    ),
    ...timesOf(value, 'the task', faults),
  }
  return faults.length === 0 ? task : { ...task, timeFault: faults[0]! }
}

/** The times of a task, annotation or prediction. Invalid times are added to `faults`. */
function timesOf(item: JsonObject, owner: string, faults: string[]): FileTimes {
  const read = (name: 'created_at' | 'updated_at') => {
    const value = item[name] ?? null
    const time = value === null ? undefined : fileTime(value)
    if (value !== null && time === undefined) {
      faults.push(
        `"${name}" of ${owner} must be a time such as 2026-02-03T04:05:06Z. To import it with the current time, turn keepTimes off.`,
      )
    }
    return time
  }
  const [createdAt, updatedAt] = [read('created_at'), read('updated_at')]
  return { ...(createdAt && { createdAt }), ...(updatedAt && { updatedAt }) }
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
    predictions: task.predictions.map(({ createdAt: _created, updatedAt: _updated, ...label }) => label),
    annotations: task.annotations.map(({ createdAt: _created, updatedAt: _updated, ...label }) => label),
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

/** A name or an address, or at least a number. */
function nameOfPerson(value: Json | undefined): string | null {
  const person = isJsonObject(value) ? (value.email ?? value.username ?? value.id) : value
  if (typeof person === 'string') return person
  return person === undefined || person === null ? null : JSON.stringify(person)
}

/** Neither an envelope nor the half of one. */
const isBare = (value: Json): boolean =>
  isJsonObject(value) && !isJsonObject(value.data) && !isThere(value.predictions) && !isThere(value.annotations)

const isThere = (value: Json | undefined) => value !== undefined && value !== null

const hasEmptyLabels = (value: Json) =>
  isJsonObject(value) && (value.predictions === null || value.annotations === null)

/** Drafts are labels that were not submitted, so they are no annotations. They are stored in the meta of the task. */
function metaOf(meta: Json | undefined, drafts: Json | undefined): string | null {
  const rest = Array.isArray(drafts) && drafts.length > 0 ? { drafts } : {}
  return isJsonObject(meta) || 'drafts' in rest ? JSON.stringify({ ...rest, ...(isJsonObject(meta) && meta) }) : null
}

const isCoco = ({ data, images, annotations, categories }: JsonObject) =>
  data === undefined && [images, annotations, categories].every(Array.isArray)
const coco =
  'This is the JSON of COCO: images, annotations and categories in one object. Convert it to one task for each image, with its annotations as a list of results.'

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

function tooManyValues(): SluiceError {
  return new SluiceError('TASK_TOO_LARGE', `A task may have ${maxJsonValues} JSON values at most, such as list items.`)
}

/** The items of a list of predictions or annotations; none where it is absent or null. @throws SluiceError BAD_ENVELOPE */
function labelsOf(field: string, value: Json | undefined): JsonObject[] {
  if (value === undefined || value === null) return []
  const isLabels = (item: Json): item is JsonObject => isJsonObject(item) && Array.isArray(item.result)
  if (Array.isArray(value) && value.every(isLabels)) return value
  throw new SluiceError('BAD_ENVELOPE', `"${field}" must be a list of objects whose "result" is a list.`)
}

/** A field of a prediction or an annotation; null where it is absent or null. @throws SluiceError BAD_ENVELOPE */
function optional<T>(item: JsonObject, name: string, wanted: string, read: (value: Json) => T | undefined): T | null {
  const value = item[name] ?? null
  if (value === null) return null
  const found = read(value)
  if (found === undefined) throw new SluiceError('BAD_ENVELOPE', `"${name}" of a label must be ${wanted}.`)
  return found
}

function numberOf(value: Json): number | undefined {
  const number = JSON.isRawJSON(value) ? Number(value.rawJSON) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

const textOf = (value: Json) => (typeof value === 'string' ? value : undefined)

const booleanOf = (value: Json) => (typeof value === 'boolean' ? value : undefined)

const nameOf = (value: Json) => (value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`)
