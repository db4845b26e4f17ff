import {
  type GraphQLInputType,
  type GraphQLObjectType,
  getNamedType,
  getNullableType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { measureOperation } from '../../src/http/operation-size.ts'

const limit = { query: 1_000, mutation: 20_000, subscription: 1_000 }

/** A valid value of an input type, as small as can be. */
function smallest(type: GraphQLInputType): unknown {
  const inner = getNullableType(type)
  if (isListType(inner)) return []
  if (isEnumType(inner)) return inner.getValues()[0]!.name
  if (isInputObjectType(inner)) {
    const fields = Object.values(inner.getFields())
    const required = inner.isOneOf ? fields.slice(0, 1) : fields.filter((field) => isNonNullType(field.type))
    return Object.fromEntries(required.map((field) => [field.name, smallest(field.type)]))
  }
  const values: Record<string, unknown> = {
    Int: 1,
    Float: 1,
    Boolean: true,
    DateTime: '2026-01-01T00:00:00Z',
    JSON: {},
  }
  return values[inner.name] ?? 'a'
}

/** Values of an input type with one list of `length` items each, by the path of the list. */
function* longLists(
  type: GraphQLInputType,
  length: number,
  path: string,
  seen: string[] = [],
): Generator<[string, unknown]> {
  const inner = getNullableType(type)
  if (isListType(inner)) {
    yield [path, Array(length).fill(smallest(inner.ofType))]
    for (const [below, value] of longLists(inner.ofType, length, `${path}.0`, seen)) yield [below, [value]]
  } else if (isInputObjectType(inner) && !seen.includes(inner.name)) {
    for (const field of Object.values(inner.getFields())) {
      const rest = inner.isOneOf ? {} : (smallest(inner) as object)
      for (const [below, value] of longLists(field.type, length, `${path}.${field.name}`, [...seen, inner.name])) {
        yield [below, { ...rest, [field.name]: value }]
      }
    }
  }
}

/** How to reach the object types below a root: text before and after a selection. */
function ways(root: GraphQLObjectType): Map<GraphQLObjectType, [string, string]> {
  const found = new Map<GraphQLObjectType, [string, string]>([[root, ['{', '}']]])
  for (const [type, [before, after]] of found) {
    for (const field of Object.values(type.getFields())) {
      const named = getNamedType(field.type)
      const objects = isObjectType(named) ? [named] : isAbstractType(named) ? schema.getPossibleTypes(named) : []
      for (const object of objects) {
        if (!found.has(object)) found.set(object, [`${before} ${field.name} { ... on ${object.name} {`, `} } ${after}`])
      }
    }
  }
  return found
}

const cases = (['query', 'mutation', 'subscription'] as const).flatMap((operation) => {
  const root = schema.getRootType(operation as never)!
  return [...ways(root)].flatMap(([type, [before, after]]) =>
    Object.values(type.getFields()).flatMap((field) =>
      field.args.flatMap((arg) =>
        [...longLists(arg.type, limit[operation] + 1, arg.name)].map(([path, value]) => {
          const below = getNamedType(field.type)
          const selection = isObjectType(below) || isAbstractType(below) ? '{ __typename }' : ''
          // Without the other arguments that it needs, a field is not executed.
          const given = field.args.filter((other) => other === arg || isNonNullType(other.type))
          const variables = given.map((other) => `$${other.name}: ${other.type}`).join(', ')
          const args = given.map((other) => `${other.name}: $${other.name}`).join(', ')
          const text = `${operation} (${variables}) ${before} ${field.name}(${args}) ${selection} ${after}`
          const others = Object.fromEntries(given.map((other) => [other.name, smallest(other.type)]))
          return [`${operation} ${type.name}.${field.name}`, path, text, { ...others, [arg.name]: value }] as const
        }),
      ),
    ),
  )
})

describe('lists in arguments', () => {
  it('exist', () => {
    expect(cases.map(([name, path]) => `${name} ${path}`)).toEqual(
      expect.arrayContaining(['query Query.nodes ids', 'mutation Mutation.createTasks input.tasks']),
    )
  })

  it.each(cases)('%s %s has a limit', (_name, path, text, variables) => {
    const size = measureOperation({ schema, document: parse(text), variables })
    expect(size?.faults).toEqual([{ path, message: expect.stringMatching(/^must be at most \d+, but there are/) }])
  })
})
