import { type ErrorCode, SluiceError } from '../../errors.ts'

/** Stands for a value that cannot be imported, so that its row becomes an issue and the other rows are imported. */
export class BadValue {
  readonly #code: ErrorCode
  readonly #message: string
  constructor(code: ErrorCode, message: string) {
    this.#code = code
    this.#message = message
  }
  /** @throws SluiceError always */
  toJSON(): never {
    throw new SluiceError(this.#code, this.#message)
  }
}

/** Stands for a value that is left out, so that its place in the task is null, and the row has an issue besides. */
export class Omitted {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  get text(): string {
    return this.#text
  }
}

/** What a reader finds that each row of it has to be looked through for. */
export interface Findings {
  /** A `BadValue`, an `Omitted`, or a text so large that a row of them could be larger than memory. */
  any: boolean
}

/** Bytes of text in one row, above which it is TASK_TOO_LARGE. */
export const maxRowBytes = 64 * 2 ** 20

/**
 * Looks through a row for what must not become a task. Replaces what is `Omitted` by null, and returns the texts about it.
 * @throws SluiceError of the first `BadValue`; TASK_TOO_LARGE
 */
export function checkRow(row: unknown): string[] {
  const omitted: string[] = []
  let bytes = 0
  const look = (value: unknown): void => {
    if (typeof value === 'string') bytes += value.length
    else if (value instanceof BadValue) value.toJSON()
    else if (typeof value === 'object' && value !== null && !JSON.isRawJSON(value)) {
      const parts = value as Record<string, unknown>
      for (const [name, item] of Object.entries(parts)) {
        if (item instanceof Omitted) {
          omitted.push(item.text)
          parts[name] = null
        } else look(item)
      }
    } else bytes += 8
    if (bytes > maxRowBytes) {
      throw new SluiceError('TASK_TOO_LARGE', `One task may have ${maxRowBytes >> 20} MiB of JSON at most.`)
    }
  }
  look(row)
  return omitted
}
