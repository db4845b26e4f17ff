// TypeScript types the keys of any object as `string`, because an object can have more of them than its type. The records here have
// exactly the keys of their type.

/** `Object.keys` with the type of the keys. */
export const keysOf = <Name extends string>(record: Readonly<Record<Name, unknown>>): Name[] =>
  Object.keys(record) as Name[]

/** A record of these keys, with a value for each. */
export const recordOf = <Name extends string, Value>(
  names: readonly Name[],
  of: (name: Name) => Value,
): Record<Name, Value> => Object.fromEntries(names.map((name) => [name, of(name)])) as Record<Name, Value>

/** A record of the same keys, with another value for each. */
export const mapRecord = <Name extends string, Value, Result>(
  record: Readonly<Record<Name, Value>>,
  map: (value: Value) => Result,
): Record<Name, Result> => recordOf(keysOf(record), (name) => map(record[name]))
