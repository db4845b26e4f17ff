import { SluiceError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '../json.ts'

/** A prediction that came with a task; JSON parts as text, ready for the database. */
export interface ParsedPrediction {
  result: string
  score: number | null
  modelVersion: string | null
}

/** An annotation that came with a task. */
export interface ParsedAnnotation {
  result: string
  wasCancelled: boolean
  leadTimeSeconds: number | null
  importId: string | null
}

/** One task as read from a file. */
export interface ParsedTask {
  data: string
  meta: string | null
  allowSkip: boolean
  predictions: ParsedPrediction[]
  annotations: ParsedAnnotation[]
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Reads the text of one element of a task file. @throws SluiceError NOT_JSON, BINARY_IN_TASKS, and as `taskOf`. */
export function parseTask(bytes: Buffer): ParsedTask {
  return taskOf(parse(bytes))
}

/**
 * Reads one element of a task file: a bare task (the object is the data), or an envelope
 * `{ data, predictions?, annotations?, allowSkip? | allow_skip?, meta? }`.
 * @throws SluiceError NOT_A_TASK, ENVELOPE_WITHOUT_DATA or BAD_ENVELOPE.
 */
export function taskOf(value: Json): ParsedTask {
  if (!isJsonObject(value))
    throw new SluiceError('NOT_A_TASK', `A task must be a JSON object, but this is ${nameOf(value)}.`)
  const hasLabels = 'predictions' in value || 'annotations' in value
  if (!isJsonObject(value.data)) {
    if (!hasLabels)
      return { data: JSON.stringify(value), meta: null, allowSkip: true, predictions: [], annotations: [] }
    throw new SluiceError('data' in value ? 'BAD_ENVELOPE' : 'ENVELOPE_WITHOUT_DATA')
  }
  const { data, meta, predictions, annotations } = value
  return {
    data: JSON.stringify(data),
    meta: isJsonObject(meta) ? JSON.stringify(meta) : null,
    allowSkip: (value.allowSkip ?? value.allow_skip) !== false,
    predictions: listOf('predictions', predictions).map((item) => ({
      result: JSON.stringify(item.result ?? []),
      score: finite(item.score),
      modelVersion: typeof item.model_version === 'string' ? item.model_version : null,
    })),
    annotations: listOf('annotations', annotations).map((item) => ({
      result: JSON.stringify(item.result ?? []),
      wasCancelled: item.was_cancelled === true,
      leadTimeSeconds: finite(item.lead_time),
      importId: item.id === undefined || item.id === null ? null : JSON.stringify(item.id).replace(/^"(.*)"$/, '$1'),
    })),
  }
}

function parse(bytes: Buffer): Json {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new SluiceError('BINARY_IN_TASKS', 'The text is not UTF-8.', { cause })
  }
  try {
    return parseJson(text)
  } catch (cause) {
    throw new SluiceError('NOT_JSON', `Not valid JSON: ${(cause as Error).message}.`, { cause })
  }
}

function listOf(field: string, value: Json | undefined): JsonObject[] {
  if (value === undefined || value === null) return []
  const isList = Array.isArray(value) && value.every((item) => isJsonObject(item) && 'result' in item)
  if (!isList) throw new SluiceError('BAD_ENVELOPE', `"${field}" must be a list of objects with a "result".`)
  return value as JsonObject[]
}

const finite = (value: Json | undefined) => (typeof value === 'number' && Number.isFinite(value) ? value : null)

const nameOf = (value: Json) => (value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`)
