import type { UUID } from 'node:crypto'

/**
 * An array of numbers, booleans or UUIDs as PostgreSQL's array literal (PostgreSQL documentation, "Array Value Input"). The driver
 * would quote and escape every element, which is most of its work for a page of a thousand rows.
 */
export function arrayOf(values: readonly (number | boolean | UUID | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`
}

/** An array of texts or nulls. If all are null, which is common, the driver does not need to escape it. */
export function textsOf(values: readonly (string | null)[]): string | readonly (string | null)[] {
  return values.every((value) => value === null) ? arrayOf(values as null[]) : values
}
