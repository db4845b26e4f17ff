/**
 * An array of numbers or booleans as PostgreSQL's array literal (PostgreSQL documentation, "Array Value Input"). The driver makes
 * one of any array, too, but quotes and escapes every element, which for a page of a thousand rows is most of its work.
 */
export function arrayOf(values: readonly (number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`
}

/** The same of texts that may be null; one of nothing but nulls, which is common, is not escaped. */
export function textsOf(values: readonly (string | null)[]): string | readonly (string | null)[] {
  return values.every((value) => value === null) ? arrayOf(values as null[]) : values
}
