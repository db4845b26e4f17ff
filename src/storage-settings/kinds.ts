import { p } from '@mikro-orm/core'
import { z } from 'zod'
import { keysOf } from '../records.ts'

/** How a form and the schema describe a setting. */
interface About {
  title: string
  /** What the setting does, as one or more sentences. */
  description: string
  placeholder?: string
  /** Set if the value cannot be changed after creation. The text says why. */
  fixed?: string
}

/** The meaning of null, such as `no limit`, for a nullable setting. */
interface Nullable {
  null: string
}

/** A field inside a group. It has no column of its own. */
export type Part = About & { null?: string; required?: boolean } & (
    | { kind: 'list' }
    | { kind: 'integer'; minimum?: number; maximum?: number }
    | { kind: 'number'; minimum?: number; maximum?: number }
    | Group
  )

/** A setting that has fields of its own. */
export interface Group {
  kind: 'group'
  /** Name of its GraphQL object; the name of its input ends in `Input`. */
  typeName: string
  typeDescription: string
  /** Exactly one field must be set. */
  isOneOf?: boolean
  parts: Record<string, Part>
}

/**
 * One setting of a storage. Its column, validation, GraphQL inputs and outputs, and form field are derived from it. `default`
 * is the value for a new storage. An input of null keeps the stored value, unless `null` gives it a meaning.
 */
export type Setting = About & {
  null?: string
  default: unknown
  schema: z.ZodType
  column: object
} & (
    | { kind: 'text'; emptyIsNull?: boolean }
    | { kind: 'flag' }
    | { kind: 'integer'; minimum: number; maximum: number }
    | { kind: 'choice'; typeName: string; typeDescription: string; choices: Record<string, string> }
    | (Group & TwoColumns)
  )

/** For a value that needs several columns. Without it, the value is in the column of the same name. */
interface TwoColumns {
  /** The value in a row. */
  ofRow?(row: never): unknown
  /** The columns that store a value. */
  toRow?(value: never): object
}

export type Settings = Record<string, Setting>

/** The columns of settings, for the entity. */
export function columnsOf<const S extends Settings>(settings: S): { [Name in keyof S]: S[Name]['column'] } {
  const columns = Object.entries(settings).map(([name, { column }]) => [name, column])
  return Object.fromEntries(columns)
}

/** The validated values of settings. */
export type ValuesOf<S extends Settings> = { [Name in keyof S]: z.output<S[Name]['schema']> }

/** A text, or null. `emptyIsNull` stores an empty text as null. */
export function text<A extends About & Nullable & { emptyIsNull?: boolean }>(about: A) {
  return { ...about, kind: 'text', default: null, column: p.text().nullable(), schema: z.string().nullable() } as const
}

/** True or false. */
export function flag<A extends About & { default: boolean }>(about: A) {
  return { ...about, kind: 'flag', column: p.boolean().default(about.default), schema: z.boolean() } as const
}

/** One of several values. The keys of `choices` are the values, in their order; its texts describe them. */
export function choice<Value extends string>(
  about: About & { default: NoInfer<Value>; typeName: string; typeDescription: string; choices: Record<Value, string> },
) {
  const values = keysOf(about.choices)
  return { ...about, kind: 'choice', column: p.enum(values).default(about.default), schema: z.enum(values) } as const
}

interface Range {
  minimum: number
  maximum: number
  /** The maximum as text (such as another unit), for error messages. */
  maximumIs?: string
}

/** A whole number that always has a value. */
export function integer<A extends About & Range & { default: number }>(about: A) {
  return { ...about, kind: 'integer', column: p.integer().default(about.default), schema: within(about) } as const
}

/** A whole number, or null for no limit. */
export function limit<A extends About & Range & Nullable>(about: A) {
  const column = p.bigint('number').nullable()
  return { ...about, kind: 'integer', default: null, column, schema: within(about).nullable() } as const
}

function within({ minimum, maximum, maximumIs }: Range) {
  const message = `must be from ${minimum} to ${maximum}${maximumIs ? ` (${maximumIs})` : ''}`
  return z.int(message).min(minimum, message).max(maximum, message)
}
