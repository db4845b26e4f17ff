import type { EntityManager } from '@mikro-orm/postgresql'
import DataLoader from 'dataloader'
import { sql } from 'kysely'
import { SluiceError } from '../errors.ts'
import { type Json, parseJson } from '../json.ts'
import { maxJsonDepth, sizeOfText } from '../security/json-size.ts'
import { createSlices } from '../security/slices.ts'
import { execute } from '../sql.ts'

/** Limits of all JSON in the response to one operation together. */
interface Budget {
  bytes: number
  values: number
}

const budgetOfOperation: Budget = { bytes: 64 * 2 ** 20, values: 1_000_000 }
// A shorter text cannot exceed the depth limit and has few values, so it is not measured.
const shortLength = 2 * maxJsonDepth

export type JsonColumns = ReturnType<typeof createJsonColumns>

/** Loaders of the JSON columns, which other reads of rows exclude. All loaders share one budget for the operation. */
export function createJsonColumns(em: EntityManager) {
  const left = { ...budgetOfOperation }
  const column = <T>(table: string, name: string, read: (text: string, left: Budget) => T | Error, key = 'id') => {
    const [from, json, id] = [sql.table(table), sql.ref(name), sql.ref(key)]
    return new DataLoader<number, T | null>(async (ids) => {
      const rows = await execute<{ id: string; value: string | null; empty: boolean }>(
        em,
        // The database sums the sizes, so that it sends no row beyond the budget.
        sql`select id, case when total <= ${left.bytes} then value end as value, value is null as empty from (
          select ${id} as id, ${json}::text as value,
            sum(octet_length(${json}::text)) over (order by ${id} rows unbounded preceding) as total
          from ${from} where ${id} = any(${ids}::bigint[])) rows`,
      )
      const found = new Map<number, T | Error | null>()
      const slices = createSlices()
      for (const { id, value, empty } of rows) {
        found.set(Number(id), empty ? null : value === null ? tooLarge() : read(value, left))
        if (slices.isUsedUp()) await slices.next()
      }
      return ids.map((id) => found.get(id) ?? null)
    })
  }
  return {
    taskData: column('task', 'data', parsed),
    /** The stored text, unparsed, so that numbers keep all their digits. */
    taskDataText: column('task', 'data', plain),
    taskMeta: column('task', 'meta', parsed),
    taskExtra: column('task_extra', 'extra', parsed, 'task_id'),
    annotationResult: column('annotation', 'result', parsed),
    annotationExtra: column('annotation', 'extra', parsed),
    predictionResult: column('prediction', 'result', parsed),
    predictionExtra: column('prediction', 'extra', parsed),
    /** Bytes that the operation may still read. */
    bytesLeft: () => left.bytes,
    /** Parses a value that was read with its row. Null stands for a value beyond the budget. */
    read: (text: string | null) => (text === null ? tooLarge() : parsed(text, left)),
  }
}

function plain(text: string, left: Budget): string | Error {
  left.bytes -= text.length
  return left.bytes < 0 ? tooLarge() : text
}

function parsed(text: string, left: Budget): Json | Error {
  left.bytes -= text.length
  if (left.bytes < 0) return tooLarge()
  if (text.length > shortLength) {
    const { values, depth } = sizeOfText(text, { values: left.values, depth: maxJsonDepth })
    left.values -= values
    // Values that were stored before the limits existed can exceed them.
    if (depth > maxJsonDepth) {
      return new SluiceError('RESPONSE_TOO_LARGE', `The value is nested more than ${maxJsonDepth} levels deep.`)
    }
    if (left.values < 0) return tooLarge()
  }
  return parseJson(text)
}

function tooLarge(): SluiceError {
  const { bytes, values } = budgetOfOperation
  const message = `The JSON values of one response may have ${bytes >> 20} MiB and ${values} values in all. Request smaller pages.`
  return new SluiceError('RESPONSE_TOO_LARGE', message)
}
