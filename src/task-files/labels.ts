import { SluiceError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../json.ts'
import { fileTime } from './file-time.ts'

/** The times in a file, in the format of PostgreSQL. Absent if the file has none. */
export interface FileTimes {
  createdAt?: string
  updatedAt?: string
}

/** The fields that have no column, as the JSON text of an object. Absent if there are none. */
interface Extra {
  extra?: string
}

/** A prediction that came with a task; JSON parts as text, ready for the database. */
export interface ParsedPrediction extends FileTimes, Extra {
  result: string
  score: number | null
  modelVersion: string | null
}

/** An annotation that came with a task. */
export interface ParsedAnnotation extends FileTimes, Extra {
  result: string
  wasCancelled: boolean
  leadTimeSeconds: number | null
  /** Who made it, as the file names them. */
  completedBy: string | null
  importId: string | null
}

// Ids of another server mean nothing here: exports write those of Sluice.
const ids = ['id', 'task', 'project']
const predictionColumns = new Set([...ids, 'result', 'score', 'model_version', 'created_at'])
const annotationColumns = new Set([
  ...ids,
  ...['result', 'was_cancelled', 'lead_time', 'completed_by', 'created_at', 'updated_at'],
])

/** The fields of an item that the names of `columns` do not include. */
export function extraOf(item: JsonObject, columns: ReadonlySet<string>): Extra {
  const others = Object.entries(item).filter(([name]) => !columns.has(name))
  return others.length === 0 ? {} : { extra: JSON.stringify(Object.fromEntries(others)) }
}

/** The names of columns without those that cannot hold the value of the item as it is, by its rule. */
export function exactColumns(
  columns: ReadonlySet<string>,
  item: JsonObject,
  rules: Record<string, (value: Json) => boolean>,
): ReadonlySet<string> {
  const lossy = Object.entries(rules).flatMap(([name, isExact]) => {
    const value = item[name] ?? null
    return value === null || isExact(value) ? [] : [name]
  })
  return lossy.length === 0 ? columns : new Set([...columns].filter((name) => !lossy.includes(name)))
}

/** A column of text holds neither NUL nor half a surrogate pair. */
const isExactText = (value: Json) => typeof value === 'string' && !value.includes('\0') && value.isWellFormed()
/** A text that is read as a number is one from then on, and the digits of a number as text are the number. */
const isExactNumber = (value: Json) => !JSON.isRawJSON(value)
const predictionRules = {
  score: isExactNumber,
  model_version: (value: Json) => typeof value !== 'string' || isExactText(value),
}
const annotationRules = { lead_time: isExactNumber, completed_by: isExactText }

/**
 * Reads the predictions of a task. Newer exports of Label Studio name predictions by their ids only, which `ids` returns.
 * Invalid times are added to `faults`.
 * @throws SluiceError BAD_ENVELOPE
 */
export function predictionsOf(
  value: Json | undefined,
  faults: string[],
): { predictions: ParsedPrediction[]; ids: Json[] } {
  const isId = (item: Json) => typeof item === 'number' || JSON.isRawJSON(item)
  const listed = Array.isArray(value) ? value : []
  const items = Array.isArray(value) ? value.filter((item) => !isId(item)) : value
  const predictions = labelsOf('predictions', items).map((item) => ({
    result: JSON.stringify(item.result),
    score: optional(item, 'score', 'a number', numberOf),
    modelVersion: optional(item, 'model_version', 'a text', textOf),
    ...timesOf(item, 'a prediction', faults),
    ...extraOf(item, exactColumns(predictionColumns, item, predictionRules)),
  }))
  return { predictions, ids: listed.filter(isId) }
}

/** Reads the annotations in a field of a task. Invalid times are added to `faults`. @throws SluiceError BAD_ENVELOPE */
export function annotationsOf(field: string, value: Json | undefined, faults: string[]): ParsedAnnotation[] {
  return labelsOf(field, value).map((item) => {
    const { id } = item
    return {
      result: JSON.stringify(item.result),
      wasCancelled: optional(item, 'was_cancelled', 'true or false', booleanOf) ?? false,
      leadTimeSeconds: optional(item, 'lead_time', 'a number of seconds', numberOf),
      completedBy: nameOfPerson(item.completed_by),
      importId: idText(id),
      ...timesOf(item, 'an annotation', faults),
      ...extraOf(item, exactColumns(annotationColumns, item, annotationRules)),
    }
  })
}

/** The times of a task, annotation or prediction. Invalid times are added to `faults`. */
export function timesOf(item: JsonObject, owner: string, faults: string[]): FileTimes {
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

/** The same label with the present time. */
export function labelWithoutTimes<Label extends ParsedPrediction | ParsedAnnotation>({
  createdAt: _created,
  updatedAt: _updated,
  extra,
  ...label
}: Label): Omit<Label, keyof FileTimes> {
  if (extra === undefined) return label as Omit<Label, keyof FileTimes>
  // A prediction has no column for it.
  const { updated_at: _changed, ...others } = parseJson(extra) as JsonObject
  return { ...label, ...extraOf(others, new Set()) } as Omit<Label, keyof FileTimes>
}

/** A name or an address, or at least a number. */
function nameOfPerson(value: Json | undefined): string | null {
  const person = isJsonObject(value) ? (value.email ?? value.username ?? value.id) : value
  if (typeof person === 'string') return person
  return person === undefined || person === null ? null : JSON.stringify(person)
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

const numeral = /^\s*-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?\s*$/

/** A number, also one that is written as a text. */
function numberOf(value: Json): number | undefined {
  const text = JSON.isRawJSON(value) ? value.rawJSON : value
  const number = typeof text === 'string' && numeral.test(text) ? Number(text) : text
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/** A text, or the digits of a number. */
function textOf(value: Json): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || JSON.isRawJSON(value) ? JSON.stringify(value) : undefined
}

const booleanOf = (value: Json) => (typeof value === 'boolean' ? value : undefined)

/** An id as text. Null if the file has no id. */
export function idText(id: Json | undefined): string | null {
  return id === undefined || id === null ? null : JSON.stringify(id).replace(/^"(.*)"$/, '$1')
}
