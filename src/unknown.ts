/** Fields of a value of unknown type, each of which may be absent. A value that is not an object has none. */
export function fieldsOf<Name extends string>(value: unknown): { readonly [N in Name]?: unknown } {
  return typeof value === 'object' && value !== null ? value : {}
}

/** The `code` of an error of Node, PostgreSQL or a library. Undefined if it has none, or none that is a text. */
export function codeOf(error: unknown): string | undefined {
  const { code } = fieldsOf<'code'>(error)
  return typeof code === 'string' ? code : undefined
}

/** A thrown value as an error. Code can throw other values, too. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
}
